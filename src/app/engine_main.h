#pragma once

namespace weft {

// The engine process: `weft engine --fd N`, N being its end of the gateway's socketpair. Loads the model that the first
// message names, then generates until the gateway closes the socket. Returns the exit status: 0 after an orderly end,
// 3 when the model could not be loaded (a FailedMessage says why).
int run_engine(int descriptor);

}  // namespace weft
