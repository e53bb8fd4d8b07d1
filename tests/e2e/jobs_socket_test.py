"""Jobs over a WebSocket, spoken by Python's websockets."""
import asyncio, json, signal, unittest

import websockets

from jobs_client import accepted, result
from jobs_test import GREEDY, LONG
from server import PATIENCE, Server, ServerTest, wait_until


class Socket:
    def __init__(self, connection):
        self.connection = connection

    async def say(self, **message):
        await self.connection.send(json.dumps(message))

    async def hear(self):
        return json.loads(await asyncio.wait_for(self.connection.recv(), PATIENCE))

    async def until(self, *types):
        """Messages up to and including the first one of one of the types."""
        heard = []
        while not heard or heard[-1]["type"] not in types:
            heard.append(await self.hear())
        return heard


def with_socket(scenario, headers=None):
    """A test that is a coroutine with an open socket."""
    def test(self):
        async def run():
            async with websockets.connect(f"ws://127.0.0.1:{self.server.port}/api/v1/ws", additional_headers=headers or {},
                                          max_size=None) as connection:
                await asyncio.wait_for(scenario(self, Socket(connection)), 3 * PATIENCE)
        asyncio.run(run())
    test.__doc__ = scenario.__doc__
    return test


class Sockets(ServerTest):
    @with_socket
    async def test_a_request_is_acknowledged_and_answered(self, socket):
        await socket.say(prompt="Hello!", client_ref="mine", **GREEDY)
        ack, answer = await socket.hear(), await socket.hear()
        self.assertEqual((ack["type"], ack["client_ref"]), ("ack", "mine"))
        self.assertIn(ack["status"], ("pending", "processing"))
        self.assertEqual((answer["type"], answer["request_id"], answer["client_ref"]), ("result", ack["request_id"], "mine"))
        self.assertEqual(answer["result"], result(self.server, ack["request_id"])["result"])
        self.assertGreater(answer["usage"]["completion_tokens"], 0)

    @with_socket
    async def test_tokens_are_sent_to_who_wants_them(self, socket):
        await socket.say(type="infer", prompt="Tell me a story.", stream=True, **GREEDY)
        ack, *tokens, answer = await socket.until("result")
        self.assertEqual([token["chunk"] for token in tokens], list(range(len(tokens))))
        self.assertEqual("".join(token["data"] for token in tokens), answer["result"])
        self.assertTrue(all(token["request_id"] == ack["request_id"] for token in tokens))

    @with_socket
    async def test_many_requests_in_flight_keep_their_own_order(self, socket):
        for i in range(60):
            await socket.say(prompt=f"Tell me about {i}.", stream=True, client_ref=str(i), options={"num_predict": 12})
        by_ref = {}
        ended = 0
        while ended < 60:
            message = await socket.hear()
            by_ref.setdefault(message["client_ref"], []).append(message)
            ended += message["type"] == "result"
        for messages in by_ref.values():
            self.assertEqual(messages[0]["type"], "ack")
            self.assertEqual([m["chunk"] for m in messages[1:-1]], list(range(len(messages) - 2)))
            self.assertEqual("".join(m["data"] for m in messages[1:-1]), messages[-1]["result"])

    @with_socket
    async def test_what_is_wrong_is_told_and_the_socket_stays_open(self, socket):
        await socket.connection.send("{not json")
        self.assertEqual((await socket.hear())["error"]["code"], "invalid_json")
        await socket.connection.send("[]")
        self.assertEqual((await socket.hear())["error"]["code"], "invalid_request")
        await socket.say(type="dance")
        self.assertEqual((await socket.hear())["error"]["field"], "type")
        await socket.say(prompt="a", model="none", client_ref="r")
        answer = await socket.hear()
        self.assertEqual((answer["type"], answer["client_ref"], answer["error"]["code"]), ("error", "r", "model_not_found"))
        await socket.say(type="cancel", request_id="unknown")
        self.assertEqual((await socket.hear())["error"]["code"], "not_found")
        await socket.say(prompt="Hello!", **GREEDY)
        self.assertEqual((await socket.until("result"))[-1]["type"], "result")

    @with_socket
    async def test_a_request_is_cancelled(self, socket):
        await socket.say(**LONG, stream=True)
        heard = await socket.until("token")
        await socket.say(type="cancel", request_id=heard[0]["request_id"])
        end = (await socket.until("error"))[-1]
        self.assertEqual(end["error"]["code"], "cancelled")
        self.assertEqual(result(self.server, end["request_id"])["status"], "cancelled")

    @with_socket
    async def test_a_job_is_taken_up_where_it_was_left(self, socket):
        job = accepted(self.server, **LONG)
        await socket.say(type="subscribe", request_id=job)
        heard = await socket.until("result")
        tokens = [message for message in heard if message["type"] == "token"]
        self.assertEqual("".join(token["data"] for token in tokens), heard[-1]["result"])
        await socket.say(type="subscribe", request_id=job, after=4)
        again = await socket.until("result")
        self.assertEqual([m for m in again if m["type"] == "token"], tokens[5:])

    @with_socket
    async def test_a_request_that_was_submitted_without_tokens_can_be_subscribed_to(self, socket):
        await socket.say(**LONG, client_ref="mine")
        job = (await socket.until("ack"))[-1]["request_id"]
        await socket.say(type="subscribe", request_id=job, client_ref="more")
        ack, *tokens, answer = await socket.until("result", "error")
        self.assertEqual((ack["type"], ack["client_ref"], answer["type"]), ("ack", "more", "result"))
        self.assertEqual({message["type"] for message in tokens}, {"token"})
        self.assertEqual([token["chunk"] for token in tokens], list(range(len(tokens))))
        self.assertEqual("".join(token["data"] for token in tokens), answer["result"])
        self.assertEqual({message["client_ref"] for message in [*tokens, answer]}, {"more"})

    @with_socket
    async def test_a_request_whose_tokens_come_already_is_told_again_from_where_a_subscription_says(self, socket):
        await socket.say(**LONG, stream=True)
        heard = await socket.until("token")
        await socket.say(type="subscribe", request_id=heard[0]["request_id"], after=2)
        heard += await socket.until("ack", "error")
        self.assertEqual(heard[-1]["type"], "ack")
        *tokens, answer = await socket.until("result")
        self.assertEqual([token["chunk"] for token in tokens], list(range(3, 3 + len(tokens))))
        self.assertTrue(answer["result"].endswith("".join(token["data"] for token in tokens)))

    @with_socket
    async def test_a_client_ref_is_echoed_whatever_else_is_wrong(self, socket):
        for wrong, field in [({"type": "dance"}, "type"), ({"type": 1}, "type"), ({"type": "cancel"}, "request_id"), ({"type": "cancel", "request_id": 7}, "request_id"),
                             ({"type": "subscribe", "request_id": "x", "after": -2}, "after"), ({"prompt": "a", "stream": "yes"}, "stream"),
                             ({"prompt": "a", "cancel_on_close": 1}, "cancel_on_close")]:
            await socket.say(**wrong, client_ref="mine")
            answer = await socket.hear()
            self.assertEqual((answer["type"], answer["error"]["field"], answer.get("client_ref")), ("error", field, "mine"), wrong)
        await socket.say(prompt="a", client_ref="x" * 129)
        answer = await socket.hear()
        self.assertEqual((answer["error"]["field"], answer.get("client_ref")), ("client_ref", None))

    @with_socket
    async def test_a_closed_socket_cancels_only_what_asked_for_it(self, socket):
        prompts = {"stays": False, "goes": True}
        ids = {}
        for name, cancel in prompts.items():
            await socket.say(**LONG | {"prompt": f"Tell me a story. {name}"}, cancel_on_close=cancel)
            ids[name] = (await socket.until("ack"))[-1]["request_id"]
        await socket.connection.close()
        get = lambda name: asyncio.to_thread(result, self.server, ids[name])
        self.assertEqual((await get("goes"))["status"], "cancelled")
        self.assertEqual((await get("stays"))["status"], "completed")

    @with_socket
    async def test_a_message_that_is_too_long_closes_the_socket(self, socket):
        # The server does not wait for the rest of it: writing may already find the socket closed.
        with self.assertRaises(websockets.ConnectionClosed) as closed:
            await socket.say(prompt="x" * (1 << 20))
            await socket.hear()
        self.assertEqual(closed.exception.rcvd.code if closed.exception.rcvd else 1009, 1009)

    @with_socket
    async def test_binary_messages_are_not_understood(self, socket):
        await socket.connection.send(b"{}")
        with self.assertRaises(websockets.ConnectionClosed) as closed:
            await socket.hear()
        self.assertEqual(closed.exception.rcvd.code, 1003)

    def test_foreign_pages_are_refused_at_the_handshake(self):
        async def connect(origin):
            async with websockets.connect(f"ws://127.0.0.1:{self.server.port}/api/v1/ws", origin=origin):
                return 101
        self.assertEqual(asyncio.run(connect("http://localhost:3000")), 101)
        with self.assertRaises(websockets.InvalidStatus) as refused:
            asyncio.run(connect("https://evil.example"))
        self.assertEqual(refused.exception.response.status_code, 403)

    def test_who_does_not_speak_websocket_is_told(self):
        status, headers, _ = self.server.request("GET", "/api/v1/ws")
        self.assertEqual((status, headers["upgrade"]), (426, "websocket"))

    def test_a_socket_sees_its_own_keys_jobs_only(self):
        job = accepted(self.server, key="one")
        async def look(self, socket):
            await socket.say(type="subscribe", request_id=job)
            self.assertEqual((await socket.hear())["error"]["code"], "not_found")
        with_socket(look, headers={"Authorization": "Bearer two"})(self)


class Shutdown(unittest.TestCase):
    def test_sockets_are_closed_with_1001_once_what_runs_has_ended(self):
        with Server("--set", "server.drain_seconds=60") as self.server:
            async def scenario(self, socket):
                await socket.say(**LONG, stream=True)
                await socket.until("token")
                self.server.process.send_signal(signal.SIGTERM)
                await asyncio.to_thread(wait_until, lambda: "draining" in self.server.log_text(), "it drains")
                await socket.say(prompt="Hello!")
                heard = await socket.until("result")
                self.assertIn("shutting_down", [message.get("error", {}).get("code") for message in heard])
                with self.assertRaises(websockets.ConnectionClosed) as closed:
                    await socket.hear()
                self.assertEqual(closed.exception.rcvd.code, 1001)
            with_socket(scenario)(self)
            self.assertEqual(self.server.process.wait(60), 0)


if __name__ == "__main__":
    unittest.main()
