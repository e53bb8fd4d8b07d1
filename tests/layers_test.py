"""The arrows between folders, as docs/architecture.md draws them: reads the #include lines."""
import pathlib, re, unittest

SRC = pathlib.Path(__file__).resolve().parents[1] / "src"
# Folder -> the folders it may include beside itself.
ALLOWED = {
    "base": set(),
    "jinja": {"base"},
    "gotemplate": {"base"},
    "grammar": {"base", "runner"},
    "http": {"base"},
    "runner": {"base", "http"},
    "engine": {"base", "gotemplate", "grammar", "jinja", "runner"},
    "scheduler": {"base", "engine", "grammar", "runner"},
    "registry": {"base", "runner", "http"},
    "store": {"base"},
    "extract": {"base"},
    "services": {"base", "extract", "grammar", "jinja", "registry", "runner", "store"},
    "api": {"base", "services", "registry", "runner", "http", "store"},
    "cli": {"base", "http"},
    "app": {"base", "api", "services", "registry", "runner", "scheduler", "engine", "http", "cli", "store"},
}
# What the engine process must not see of the gateway's side of runner/, and the one place for libllama.
ENGINE_MAY_SEE = {"generation.h", "messages.h", "engine_metrics.h", "model_description.h", "link.h", "reply_format.h"}


def includes():
    for file in sorted(SRC.rglob("*")):
        if file.suffix in (".h", ".cpp"):
            for quoted, angled in re.findall(r'^#include (?:"([^"]+)"|<([^>]+)>)', file.read_text(), re.M):
                yield file.relative_to(SRC), quoted, angled


class Layers(unittest.TestCase):
    def test_every_include_points_downwards(self):
        wrong = [f"{file}: {quoted}" for file, quoted, _ in includes() if "/" in quoted
                 and quoted.split("/")[0] not in ALLOWED[file.parts[0]] | {file.parts[0]}]
        self.assertEqual(wrong, [])

    def test_only_the_engine_folder_knows_libllama(self):
        wrong = [str(file) for file, _, angled in includes() if angled.startswith(("llama", "ggml")) and file.parts[0] != "engine"]
        self.assertEqual(wrong, [])

    def test_the_engine_process_sees_only_the_messages_of_the_runner_folder(self):
        wrong = [f"{file}: {quoted}" for file, quoted, _ in includes() if file.parts[0] in ("engine", "grammar", "scheduler")
                 and quoted.startswith("runner/") and quoted.split("/")[1] not in ENGINE_MAY_SEE]
        self.assertEqual(wrong, [])

    def test_no_type_is_defined_twice(self):
        # The linker would take either of the two for both: memory of one is then written as if it were the other.
        places = {}
        for file in sorted(SRC.rglob("*.h")):
            spaces = []
            for line in file.read_text().splitlines():
                if opened := re.match(r"namespace ([\w:]*) ?\{", line): spaces.append(opened[1] or str(file))
                elif re.match(r"\} +// namespace", line): spaces.pop()
                elif found := re.match(r"(?:struct|class|enum class) (\w+)(?: final)?(?: :[^:]| \{)", line):
                    places.setdefault("::".join([*spaces, found[1]]), set()).add(str(file.relative_to(SRC)))
        self.assertEqual({name: files for name, files in places.items() if len(files) > 1}, {})

    def test_dialects_do_not_know_each_other(self):
        wrong = [f"{file}: {quoted}" for file, quoted, _ in includes() if file.parts[0] == "api" and len(file.parts) > 2
                 and quoted.startswith("api/") and quoted.count("/") == 2 and quoted.split("/")[1] != file.parts[1]]
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    unittest.main()
