#!/usr/bin/env python3
"""The command line from outside: the real binary, real pipes, a real (pseudo) terminal.

WEFT_BINARY   the program under test (required)
WEFT_SERVER   address of a running server; without it, "weft serve --models-dir models" is started here
WEFT_MODEL    a chat model that this server has (default weft-demo)

Conversations runs against a scripted server and needs no model; WithServer needs the real one and is skipped when
WEFT_SKIP_SERVER is set.
"""
import http.server
import json
import os
import pty
import re
import select
import signal
import subprocess
import tempfile
import threading
import time
import unittest
import warnings
from pathlib import Path

BINARY = os.environ["WEFT_BINARY"]
MODEL = os.environ.get("WEFT_MODEL", "weft-demo")
SOURCE = Path(__file__).resolve().parents[2]
PATIENCE = int(os.environ.get("WEFT_TEST_PATIENCE", 60))  # seconds until a step counts as failed; nothing waits that long when all is well


def environment(server, home, **more):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("WEFT_", "OLLAMA_")) and k != "NO_COLOR"}
    return {**kept, "OLLAMA_HOST": server, "WEFT_HOME": home, "TERM": "xterm-256color", "LANG": "C.UTF-8", **more}


def weft(*arguments, env, stdin=subprocess.DEVNULL, **more):
    feed = {"input": stdin} if isinstance(stdin, str) else {"stdin": stdin}
    return subprocess.run([BINARY, *arguments], env=env, capture_output=True, text=True, timeout=PATIENCE, **feed, **more)


class OnTerminal:
    """A program on a pseudo terminal, typed at and read like a person would."""

    def __init__(self, *arguments, env, columns=60):
        with warnings.catch_warnings():  # the child calls exec at once
            warnings.simplefilter("ignore", DeprecationWarning)
            self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(BINARY, [BINARY, *arguments], env)
        import fcntl, struct, termios
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.seen = ""
        self.at_prompt = False
        self.status = None

    def type(self, text):
        os.write(self.fd, text.encode())

    def line(self, text):
        if not self.at_prompt:
            self.prompt()
        self.at_prompt = False
        self.type(text + "\r")

    def read_some(self, seconds):
        if not select.select([self.fd], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # the program has closed the terminal
            return False
        # The line editor asks where the cursor is; a terminal answers.
        for _ in range(data.count(b"\x1b[6n")):
            os.write(self.fd, b"\x1b[1;1R")
        self.seen += data.decode(errors="replace")
        return bool(data)

    def wait_for(self, text):
        """Reads until text has been seen, forgets everything up to it and returns that."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.seen:
            if time.monotonic() > deadline or (not self.read_some(1) and self.ended()):
                raise AssertionError(f"never saw {text!r}; saw {self.seen!r}")
        before, _, self.seen = self.seen.partition(text)
        return before

    def prompt(self, mark=">>> "):
        """Reads until the editor waits for a new line, and returns what came before. What is typed earlier is lost."""
        # At the beginning of a line, perhaps where the spinner was; elsewhere it is a line drawn anew.
        fresh = re.compile(r"(?:^|\n)(?:\x1b\[[0-9;?]*[a-zA-Z]|[\r \u2800-\u28ff])*" + re.escape(mark) + r"(?:\x1b\[[0-9;?]*[a-zA-Z]|\r)*$")
        deadline = time.monotonic() + PATIENCE
        while not fresh.search(self.seen):
            if time.monotonic() > deadline or (not self.read_some(1) and self.ended()):
                raise AssertionError(f"never saw a prompt; saw {self.seen!r}")
        time.sleep(0.2)  # the editor shows its prompt a moment before it reads, and drops what was typed until then
        before, self.seen, self.at_prompt = self.seen, "", True
        return before

    def ended(self):
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is not None

    def exit_status(self):
        deadline = time.monotonic() + PATIENCE
        while not self.ended():
            self.read_some(0.1)
            if time.monotonic() > deadline:
                raise AssertionError(f"did not end; saw {self.seen!r}")
        while self.read_some(0.1):
            pass
        return self.status

    def close(self):
        if not self.ended():
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


class Scripted(http.server.BaseHTTPRequestHandler):
    """Speaks as much of the API as a conversation needs, and does what the last question says."""

    protocol_version = "HTTP/1.1"
    requests = []
    ready = True
    client_left = threading.Event()

    def log_message(self, *_):
        pass

    def reply(self, value, status=200):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        details = {"format": "gguf", "family": "llama", "families": None, "parameter_size": "4M", "quantization_level": "Q8_0"}
        base = {"name": "scripted:latest", "model": "scripted:latest", "digest": "0123456789abcdef" * 4, "size": 4_100_000_000, "details": details}
        if self.path == "/readyz":
            self.reply({"status": "ready"}, 200 if Scripted.ready else 503)
        elif self.path == "/api/version":
            self.reply({"version": "0.33.0"})
        elif self.path == "/api/tags":
            self.reply({"models": [{**base, "modified_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 7200))},
                                   {**base, "name": "other:1b", "modified_at": "2020-01-01T00:00:00+01:00"}]})
        elif self.path == "/api/ps":
            self.reply({"models": [{**base, "size_vram": 1_025_000_000, "context_length": 4096, "expires_at": "2318-01-01T00:00:00Z"},
                                   {**base, "name": "leaving:1b", "size_vram": 0, "expires_at": "2020-01-01T00:00:00Z"}]})
        else:
            self.reply({"error": "not found"}, 404)

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.requests.append((self.path, request))
        if request["model"] not in ("scripted", "other", "vectors"):
            return self.reply({"error": f"model '{request['model']}' not found"}, 404)
        if self.path == "/api/show":
            kind = "embedding" if request["model"] == "vectors" else "completion"
            return self.reply({"modelfile": "FROM x\n", "parameters": "stop    \"<end>\"", "template": "{{ \x1b[31mmessages }}", "license": "MIT",
                               "details": {"family": "llama", "families": None, "parameter_size": "4M", "quantization_level": "Q8_0"},
                               "capabilities": [kind], "model_info": {"general.architecture": "llama", "llama.context_length": 2048}})
        if self.path == "/api/generate":
            return self.reply({"model": request["model"], "response": "", "done": True, "done_reason": "unload"})
        if self.path == "/api/embed":
            return self.reply({"model": request["model"], "embeddings": [[0.5, -0.25]]})
        if not request["messages"]:
            return self.reply({"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "load"})
        self.chat(request)

    def chat(self, request):
        question = request["messages"][-1]["content"]
        done = {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop", "total_duration": 2_000_000_000,
                "prompt_eval_count": 5, "prompt_eval_duration": 1_000_000_000, "eval_count": 30, "eval_duration": 1_500_000_000}
        if not request.get("stream", True):
            return self.reply({**done, "message": {"role": "assistant", "content": "whole"}})
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if question == "never stop":
            return self.never_stop()
        for piece in self.pieces(question):
            self.line(piece)
        self.line(done)
        self.wfile.write(b"0\r\n\r\n")

    def pieces(self, question):
        if question == "fail":
            return [{"message": {"content": "so "}, "done": False}, {"error": "the engine died"}]
        if question == "think":
            return [{"message": {"content": "", "thinking": "well"}, "done": False}, {"message": {"content": "answer"}, "done": False}]
        if question == "attack":
            return [{"message": {"content": "a\x1b]0;owned\x07b"}, "done": False}]
        if question == "long":
            return [{"message": {"content": f"word{i} "}, "done": False} for i in range(30)]
        return [{"message": {"content": text}, "done": False} for text in ("You said: ", question)]

    def line(self, value):
        data = json.dumps(value).encode() + b"\n"
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def never_stop(self):
        try:
            for i in range(10 * PATIENCE):
                self.line({"message": {"content": f"tick{i} "}, "done": False})
                time.sleep(0.1)
        except OSError:
            self.client_left.set()
        self.close_connection = True


class WithHome(unittest.TestCase):
    server = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = folder.name

    def env(self, **more):
        return environment(self.server, self.home, **more)

    def weft(self, *arguments, stdin=subprocess.DEVNULL, **more):
        return weft(*arguments, env=self.env(**more), stdin=stdin)

    def terminal(self, *arguments, columns=60, **more):
        program = OnTerminal(*arguments, env=self.env(**more), columns=columns)
        self.addCleanup(program.close)
        return program


class Conversations(WithHome):
    """Against the scripted server."""

    @classmethod
    def setUpClass(cls):
        cls.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Scripted)
        cls.http.daemon_threads = True
        cls.server = f"127.0.0.1:{cls.http.server_address[1]}"
        cls.thread = threading.Thread(target=cls.http.serve_forever, daemon=True)
        cls.thread.start()

    @classmethod
    def tearDownClass(cls):
        cls.http.shutdown()
        cls.http.server_close()

    def setUp(self):
        super().setUp()
        Scripted.requests.clear()
        Scripted.client_left.clear()

    def sent(self):
        """The last chat with a question in it."""
        return [body for path, body in Scripted.requests if path == "/api/chat" and body["messages"]][-1]

    def talk(self, *arguments, **more):
        program = self.terminal("run", "scripted", *arguments, **more)
        program.prompt()
        return program

    def test_a_terminal_that_hangs_up_ends_the_conversation(self):
        # Not the controlling terminal of the program, so that no SIGHUP does it.
        master, slave = pty.openpty()
        program = subprocess.Popen([BINARY, "run", "scripted"], stdin=slave, stdout=slave, stderr=slave,
                                   start_new_session=True, env=environment(self.server, self.home))
        os.close(slave)
        seen = b""
        while b">>> " not in seen:
            seen += os.read(master, 4096)
            if seen.endswith(b"\x1b[6n"):
                os.write(master, b"\x1b[1;1R")
        os.close(master)
        try:
            program.wait(PATIENCE)
        finally:
            program.kill()
            program.wait()

    # ---- one answer

    def test_a_prompt_gets_one_answer(self):
        result = self.weft("run", "scripted", "hello", "there")
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "You said: hello there\n", ""))

    def test_standard_input_comes_before_the_prompt(self):
        self.weft("run", "scripted", "summarize this", stdin="a long text\n")
        self.assertEqual(self.sent()["messages"], [{"role": "user", "content": "a long text\nsummarize this"}])

    def test_an_empty_prompt_loads_the_model(self):
        result = self.weft("run", "scripted")
        self.assertEqual((result.returncode, result.stdout), (0, ""))
        self.assertEqual(Scripted.requests[-1], ("/api/chat", {"model": "scripted", "messages": [], "stream": True}))

    def test_flags_become_request_fields(self):
        self.weft("run", "scripted", "--format", "json", "--think=high", "--keepalive", "10m", "--system", "be brief",
                  "--temperature", "0", "--parameter", "stop=a", "--parameter", "stop=b", "--", "--hi")
        self.assertEqual(self.sent(), {"model": "scripted", "stream": True, "format": "json", "think": "high", "keep_alive": "10m",
                                       "options": {"temperature": 0, "stop": ["a", "b"]},
                                       "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "--hi"}]})

    def test_bare_think_does_not_eat_the_model_name(self):
        self.weft("run", "--think", "scripted", "hi")
        self.assertIs(self.sent()["think"], True)

    def test_thinking_stays_out_of_a_pipe_unless_asked_for(self):
        self.assertEqual(self.weft("run", "scripted", "think").stdout, "answer\n")
        self.assertIn("well", self.weft("run", "scripted", "--think", "think").stdout)
        self.assertEqual(self.weft("run", "scripted", "--think", "--hidethinking", "think").stdout, "answer\n")

    def test_verbose_writes_statistics_to_standard_error(self):
        result = self.weft("run", "scripted", "--verbose", "hi")
        self.assertEqual(result.stdout, "You said: hi\n")
        self.assertRegex(result.stderr, r"eval rate: +20\.00 tokens/s")

    def test_json_prints_the_final_object(self):
        self.assertEqual(json.loads(self.weft("run", "scripted", "--json", "hi").stdout)["message"]["content"], "whole")

    def test_an_error_in_mid_stream_is_an_error_of_the_program(self):
        result = self.weft("run", "scripted", "fail")
        self.assertEqual((result.returncode, result.stdout, result.stderr), (1, "so \n", "weft: the engine died\n"))

    def test_an_embedding_model_prints_a_vector(self):
        self.assertEqual(json.loads(self.weft("run", "vectors", "text").stdout), [0.5, -0.25])
        self.assertEqual(self.weft("run", "vectors").returncode, 1)

    def test_options_for_another_kind_of_model_are_refused(self):
        self.assertIn("--think", self.weft("run", "vectors", "--think", "text").stderr)
        self.assertIn("--dimensions", self.weft("run", "scripted", "--dimensions", "3", "text").stderr)

    def test_input_that_is_no_text_is_refused(self):
        result = subprocess.run([BINARY, "run", "scripted"], env=self.env(), input=b"\xff\xfe", capture_output=True, timeout=PATIENCE)
        self.assertEqual((result.returncode, result.stderr), (1, b"weft: standard input is not UTF-8 text\n"))

    def test_a_pipe_gets_the_text_byte_for_byte(self):
        self.assertEqual(self.weft("run", "scripted", "attack").stdout, "a\x1b]0;owned\x07b\n")

    # ---- information

    def test_list(self):
        lines = self.weft("list").stdout.splitlines()
        self.assertRegex(lines[0], r"^NAME +ID +SIZE +MODIFIED$")
        self.assertRegex(lines[1], r"^scripted:latest +0123456789ab +4\.1 GB +2 hours ago$")
        self.assertRegex(lines[2], r"years ago$")
        self.assertEqual(len(self.weft("ls", "other").stdout.splitlines()), 2)

    def test_ps(self):
        lines = self.weft("ps").stdout.splitlines()
        self.assertRegex(lines[0], r"^NAME +ID +SIZE +PROCESSOR +CONTEXT +UNTIL$")
        self.assertRegex(lines[1], r"75%/25% CPU/GPU +4096 +Forever$")
        self.assertRegex(lines[2], r"100% CPU +0 +Stopping\.\.\.$")

    def test_show(self):
        text = self.weft("show", "scripted").stdout
        self.assertRegex(text, r"(?s)Model\n +architecture +llama\n.*context length +2048\n.*Capabilities\n +completion\n.*Parameters\n +stop.*License\n +MIT")
        self.assertEqual(self.weft("show", "scripted", "--modelfile").stdout, "FROM x\n")
        self.assertEqual(json.loads(self.weft("show", "scripted", "--json").stdout)["license"], "MIT")

    def test_show_shows_one_part_at_a_time(self):
        result = self.weft("show", "scripted", "--system", "--parameters")
        self.assertEqual(result.returncode, 2)
        self.assertIn("--parameters", result.stderr)

    def test_what_could_not_be_written_is_an_error(self):
        for arguments in (["list"], ["--help"], ["completion", "bash"], ["run", "scripted", "hi"]):
            with open("/dev/full", "w") as full:
                result = subprocess.run([BINARY, *arguments], env=self.env(), stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, text=True, timeout=PATIENCE)
            self.assertEqual(result.returncode, 1, arguments)
            self.assertIn("No space left on device", result.stderr)

    def test_json_is_the_servers(self):
        self.assertEqual(len(json.loads(self.weft("list", "--json").stdout)["models"]), 2)
        self.assertEqual(len(json.loads(self.weft("ps", "--json").stdout)["models"]), 2)
        self.assertEqual(json.loads(self.weft("version", "--json").stdout)["server"]["api_version"], "0.33.0")

    def test_health_is_the_servers_readiness(self):
        self.assertEqual(self.weft("health").returncode, 0)
        self.addCleanup(setattr, Scripted, "ready", True)
        Scripted.ready = False
        result = self.weft("health")
        self.assertEqual((result.returncode, result.stderr), (1, "weft: the server answered with status 503\n"))

    def test_stop_unloads(self):
        self.assertEqual(self.weft("stop", "scripted").returncode, 0)
        self.assertEqual(Scripted.requests[-1], ("/api/generate", {"model": "scripted", "keep_alive": 0}))

    def test_an_unknown_model_is_an_error(self):
        for command in ("run", "show", "stop"):
            result = self.weft(command, "nobody")
            self.assertEqual((result.returncode, result.stdout), (1, ""))
            self.assertEqual(result.stderr, "weft: model 'nobody' not found - see: weft list\n")

    # ---- conversations

    def test_a_conversation_remembers_and_forgets(self):
        program = self.talk()
        program.line("one")
        program.wait_for("You said: one")
        program.prompt()
        program.line("two")
        program.wait_for("You said: two")
        program.prompt()
        self.assertEqual([m["content"] for m in self.sent()["messages"]], ["one", "You said: one", "two"])
        program.line("/clear")
        program.wait_for("forgotten")
        program.line("three")
        program.wait_for("You said: three")
        self.assertEqual(len(self.sent()["messages"]), 1)
        program.line("/bye")
        self.assertEqual(program.exit_status(), 0)

    def test_settings_reach_the_requests(self):
        program = self.talk()
        for command, reply in (("/set parameter temperature 0.5", "0.5"), ("/set parameter stop a \"b c\"", "b c"), ("/set system be kind", "system message"),
                               ("/set format json", "format"), ("/set nothink", "not to think"), ("/set verbose", "shown"),
                               ("/set parameter top_k x", "whole number"), ("/set nonsense", "knows no"), ("/nonsense", "no command"), ("/save x", "not there yet")):
            program.line(command)
            program.wait_for(reply)
            program.prompt()
        program.line("hi")
        program.wait_for("eval rate:")
        sent = self.sent()
        self.assertEqual((sent["format"], sent["think"], sent["options"]), ("json", False, {"temperature": 0.5, "stop": ["a", "b c"]}))
        self.assertEqual(sent["messages"][0], {"role": "system", "content": "be kind"})

    def test_show_commands(self):
        program = self.talk()
        for command, reply in (("/show info", "context length"), ("/show license", "MIT"), ("/show modelfile", "FROM x"), ("/show parameters", "<end>"),
                               ("/show system", "no system message"), ("/show template", "{{ [31mmessages }}"), ("/?", "/set parameter NAME"), ("/show x", "knows no")):
            program.line(command)
            program.wait_for(reply)
            program.prompt()

    def test_a_question_over_several_lines(self):
        program = self.talk()
        program.line('"""first')
        program.prompt("... ")
        program.line('second"""')
        program.wait_for("You said: ")
        self.assertEqual(self.sent()["messages"][0]["content"], "first\nsecond")

    def test_another_model_can_be_loaded(self):
        program = self.talk()
        program.line("/load nobody")
        program.wait_for("not found")
        program.line("/load other")
        program.wait_for("new conversation with other")
        program.line("hi")
        program.wait_for("You said: hi")
        self.assertEqual(self.sent()["model"], "other")

    def test_ctrl_c_stops_the_answer_and_not_the_conversation(self):
        program = self.talk()
        program.line("never stop")
        program.wait_for("tick2")
        program.type("\x03")
        program.prompt()
        self.assertTrue(Scripted.client_left.wait(PATIENCE), "the server was not told")
        program.line("again")
        program.wait_for("You said: again")
        self.assertTrue(self.sent()["messages"][1]["content"].startswith("tick0 tick1 tick2"))

    def test_ctrl_c_ends_a_single_answer(self):
        program = self.terminal("run", "scripted", "never stop")
        program.wait_for("tick2")
        program.type("\x03")
        self.assertEqual(program.exit_status(), 130)
        self.assertTrue(Scripted.client_left.wait(PATIENCE))

    def test_ctrl_d_leaves(self):
        program = self.talk()
        program.type("\x04")
        self.assertEqual(program.exit_status(), 0)

    def test_ctrl_c_gives_a_line_up(self):
        program = self.talk()
        program.type("half a thought")
        program.wait_for("thought")
        program.type("\x03")
        program.prompt()
        program.line("whole")
        program.wait_for("You said: whole")

    def test_an_error_does_not_end_the_conversation(self):
        program = self.talk()
        program.line("fail")
        program.wait_for("the engine died")
        program.prompt()
        program.line("hi")
        program.wait_for("You said: hi")
        self.assertEqual(len(self.sent()["messages"]), 1)

    def test_an_answer_cannot_command_the_terminal(self):
        program = self.talk()
        program.line("attack")
        program.wait_for("a]0;ownedb")

    def test_thinking_is_dimmed(self):
        program = self.talk()
        program.line("think")
        program.wait_for("\x1b[2mwell\x1b[0m")
        program.wait_for("answer")

    def test_no_color_means_no_color(self):
        program = self.talk(NO_COLOR="1")
        program.line("think")
        self.assertNotRegex(program.wait_for("answer"), r"\x1b\[[0-9;]*m")

    def test_answers_are_wrapped_at_words(self):
        program = self.talk(columns=30)
        program.line("long")
        program.wait_for("word0")
        text = "word0" + program.wait_for("word29")
        shown = re.sub(r"\x1b\[(\d+)D\x1b\[K", lambda m: "\b" * int(m[1]), text)
        while "\b" in shown:
            shown = re.sub("[^\b]\b", "", shown, count=1)
        for line in shown.replace("\r", "").split("\n"):
            self.assertLess(len(line), 30)
        self.assertEqual(shown.split(), [f"word{i}" for i in range(29)])

    def test_history_is_kept_in_a_private_file(self):
        program = self.talk()
        program.line("remember me")
        program.wait_for("You said: remember me")
        program.prompt()
        program.line("/set nohistory")
        program.prompt()
        program.line("but not me")
        program.wait_for("You said: but not me")
        program.prompt()
        program.line("/bye")
        self.assertEqual(program.exit_status(), 0)
        history = Path(self.home, "history")
        self.assertIn("remember me", history.read_text())
        self.assertNotIn("but not me", history.read_text())
        self.assertEqual(history.stat().st_mode & 0o777, 0o600)


class CommandLine(WithHome):
    """What needs no server."""

    server = "127.0.0.1:1"

    def test_no_server_is_an_error_that_says_what_to_do(self):
        result = self.weft("list")
        self.assertEqual((result.returncode, result.stderr), (1, "weft: no server at http://127.0.0.1:1 - start one with: weft serve\n"))

    def test_version_answers_without_a_server(self):
        result = self.weft("--version")
        self.assertEqual(result.returncode, 0)
        self.assertRegex(result.stdout, r"^weft version \d+\.\d+\.\d+\n")

    def test_wrong_usage_is_status_2(self):
        for arguments in ([], ["nonsense"], ["run"], ["list", "--nonsense"], ["completion", "tcsh"], ["help", "nonsense"],
                          ["--server", "https://x", "list"], ["serve", "--port", "70000"], ["serve", "--set", "novalue"],
                          ["--server", "x", "serve"]):
            result = self.weft(*arguments)
            self.assertEqual(result.returncode, 2, arguments)
            if arguments:
                self.assertRegex(result.stderr, r"^weft: .*\n$")

    def test_help_is_for_standard_output(self):
        for arguments in (["--help"], ["help"], ["help", "run"], ["run", "--help"]):
            result = self.weft(*arguments)
            self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertIn("weft run", self.weft("help", "run").stdout)
        self.assertNotIn("engine", self.weft("help").stdout)

    def test_the_bash_completion_completes(self):
        script = self.weft("completion", "bash").stdout
        for line, completed in (("weft st", "stop"), ("weft --server 127.0.0.1:11434 st", "stop"), ("weft serve --log-format te", "text"),
                                ("weft --server [::1]:80 jobs sub", "submit"), ("weft completion ", "bash zsh fish")):
            probe = script + f'\nCOMP_LINE={line!r}; COMP_POINT=${{#COMP_LINE}}; _weft; echo "${{COMPREPLY[@]}}"'
            result = subprocess.run(["bash", "-c", probe], capture_output=True, text=True, timeout=PATIENCE)
            self.assertEqual((result.stdout, result.stderr), (completed + "\n", ""), line)


@unittest.skipIf(os.environ.get("WEFT_SKIP_SERVER"), "WEFT_SKIP_SERVER is set")
class WithServer(WithHome):
    """Against the real server and the demo model."""

    @classmethod
    def setUpClass(cls):
        cls.process = None
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.server = os.environ.get("WEFT_SERVER")
        if not cls.server:
            cls.start_server()

    @classmethod
    def start_server(cls):
        port_file = Path(cls.folder.name, "port")
        log = open(Path(cls.folder.name, "log"), "w+")
        cls.addClassCleanup(log.close)
        cls.process = subprocess.Popen([BINARY, "serve", "--models-dir", str(SOURCE / "models"), "--port", "0", "--port-file", str(port_file)],
                                       env=environment("", cls.folder.name), stdout=log, stderr=subprocess.STDOUT)
        cls.addClassCleanup(cls.stop_server)
        deadline = time.monotonic() + PATIENCE
        while not (port_file.exists() and port_file.read_text().strip()):
            if cls.process.poll() is not None or time.monotonic() > deadline:
                log.seek(0)
                raise AssertionError("the server does not start:\n" + log.read())
            time.sleep(0.05)
        cls.server = f"127.0.0.1:{port_file.read_text().strip()}"

    @classmethod
    def stop_server(cls):
        cls.process.terminate()
        try:
            cls.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            cls.process.kill()
            cls.process.wait()
            raise

    def ask(self, *arguments, **more):
        result = self.weft("run", MODEL, "--temperature", "0", *arguments, **more)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result

    def test_the_server_is_there(self):
        self.assertIn("server at http://" + self.server, self.weft("version").stdout)
        self.assertEqual(self.weft("health").returncode, 0)

    def test_list_and_show_know_the_model(self):
        self.assertIn(MODEL, self.weft("list").stdout)
        self.assertRegex(self.weft("show", MODEL).stdout, r"(?s)architecture +\w+.*context length +\d+.*completion")
        self.assertTrue(self.weft("show", MODEL, "--template").stdout.strip())
        self.assertIn("FROM", self.weft("show", MODEL, "--modelfile").stdout)
        self.assertIn("general.architecture", self.weft("show", MODEL, "-v").stdout)

    def test_an_answer_is_the_same_in_every_way_of_asking(self):
        question = "What is the capital of France?"
        answer = self.ask(question).stdout
        self.assertIn("Paris", answer)
        self.assertEqual(self.ask(stdin=question).stdout, answer)
        self.assertEqual(json.loads(self.ask("--json", question).stdout)["message"]["content"].strip(), answer.strip())

    def test_verbose_counts_tokens(self):
        self.assertRegex(self.ask("--verbose", "hello").stderr, r"eval count: +[1-9]\d* token")

    def test_ps_shows_a_loaded_model_until_it_is_stopped(self):
        self.ask("--keepalive", "-1", "hello")
        self.assertRegex(self.weft("ps").stdout, rf"{re.escape(MODEL)}.*Forever")
        self.assertEqual(self.weft("stop", MODEL).returncode, 0)
        deadline = time.monotonic() + PATIENCE
        while MODEL in self.weft("ps").stdout:
            self.assertLess(time.monotonic(), deadline, "the model is still loaded")
            time.sleep(0.1)

    def test_an_unknown_model_is_an_error(self):
        result = self.weft("run", "no-such-model", "hi")
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, r"^weft: model 'no-such-model(:latest)?' not found")

    def test_a_conversation_on_a_terminal(self):
        program = self.terminal("run", MODEL)
        program.prompt()
        program.line("/set parameter temperature 0")
        program.prompt()
        program.line("What is the capital of France?")
        program.wait_for("Paris")
        program.prompt()
        program.type("\x04")
        self.assertEqual(program.exit_status(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
