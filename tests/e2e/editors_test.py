"""What editor plugins ask a server before and while they use it, in their order and with their headers."""
import json, unittest

from server import ServerTest

QUESTION = "What is the capital of France?"
KTOR = {"User-Agent": "ktor-client", "Accept": "application/json", "Accept-Charset": "UTF-8", "Content-Type": "application/json"}
ELECTRON = {"User-Agent": "GitHubCopilotChat/0.32.4", "Accept": "*/*", "Accept-Encoding": "gzip, deflate, br", "Sec-Fetch-Site": "none",
            "Sec-Fetch-Mode": "no-cors", "Content-Type": "application/json"}


class Editors(ServerTest):
    def ask(self, method, path, body=None, headers=None):
        status, answered, text = self.server.request(method, path, body, headers)
        self.assertEqual(status, 200, text)
        return answered, text

    def test_jetbrains_finds_the_server_lists_its_models_and_chats(self):
        """AI Assistant: is this Ollama?, which models, what can each do; then a streamed chat in Ollama's form."""
        self.assertEqual(self.ask("GET", "/", headers=KTOR)[1], "Ollama is running")
        self.assertRegex(json.loads(self.ask("GET", "/api/version", headers=KTOR)[1])["version"], r"^\d+\.\d+\.\d+$")
        tags = json.loads(self.ask("GET", "/api/tags", headers=KTOR)[1])["models"]
        self.assertEqual([model["name"] for model in tags], ["weft-demo:latest"])
        for field in ("model", "modified_at", "size", "digest", "details"):
            self.assertIn(field, tags[0])
        # Clients of that age name the model by "name".
        show = json.loads(self.ask("POST", "/api/show", {"name": tags[0]["name"]}, KTOR)[1])
        self.assertIn("completion", show["capabilities"])
        self.assertGreater(show["model_info"]["llama.context_length"], 0)
        answered, text = self.ask("POST", "/api/chat", {
            "model": tags[0]["name"], "stream": True, "keep_alive": "5m", "options": {"temperature": 0, "num_ctx": 2048},
            "messages": [{"role": "system", "content": "You are an AI assistant in an IDE."}, {"role": "user", "content": QUESTION}]}, KTOR)
        self.assertEqual(answered["Content-Type"], "application/x-ndjson")
        lines = [json.loads(line) for line in text.splitlines()]
        self.assertTrue(all(not line["done"] for line in lines[:-1]))
        self.assertEqual((lines[-1]["done"], lines[-1]["done_reason"]), (True, "stop"))
        self.assertIn("Paris", "".join(line["message"]["content"] for line in lines))

    def test_vs_code_checks_the_version_asks_what_each_model_can_do_and_chats(self):
        """Copilot's Ollama provider: version (0.6.4 at least), models, show; then OpenAI's chat with tools below /v1."""
        version = json.loads(self.ask("GET", "/api/version", headers=ELECTRON)[1])["version"]
        self.assertGreaterEqual(tuple(map(int, version.split("."))), (0, 6, 4))
        models = json.loads(self.ask("GET", "/api/tags", headers=ELECTRON)[1])["models"]
        self.assertEqual([(m["model"], m["name"]) for m in models], [("weft-demo:latest", "weft-demo:latest")])
        show = json.loads(self.ask("POST", "/api/show", {"model": models[0]["model"]}, ELECTRON)[1])
        info = show["model_info"]
        self.assertGreater(info[info["general.architecture"] + ".context_length"], 0)
        self.assertTrue(info["general.basename"])
        self.assertIn("tools", show["capabilities"])
        self.assertNotIn("vision", show["capabilities"])
        answered, text = self.ask("POST", "/v1/chat/completions", {
            "model": models[0]["model"], "messages": [{"role": "user", "content": QUESTION}], "stream": True, "n": 1,
            "temperature": 0, "top_p": 1, "max_tokens": 1024, "stream_options": {"include_usage": True},
            "tools": [{"type": "function", "function": {"name": "read_file", "description": "Reads a file.", "parameters": {
                "type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}}}]}, ELECTRON)
        self.assertTrue(answered["Content-Type"].startswith("text/event-stream"), answered)
        events = [line.removeprefix("data: ") for line in text.splitlines() if line]
        self.assertEqual(events[-1], "[DONE]")
        chunks = [json.loads(event) for event in events[:-1]]
        self.assertIn("Paris", "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"]))
        self.assertGreater(chunks[-1]["usage"]["completion_tokens"], 0)


if __name__ == "__main__":
    unittest.main()
