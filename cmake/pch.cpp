// Carries the precompiled header (see weft.cmake).
