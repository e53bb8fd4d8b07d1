// Message batches with Anthropic's own JavaScript client, unmodified, against the server at WEFT_URL.
import assert from "node:assert/strict";
import { test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import * as world from "./world.js";

const clientOf = (apiKey) => new Anthropic({ baseURL: world.url, apiKey, maxRetries: 0 });
const client = clientOf("batcher");

const request = (custom_id, content, params = {}) => ({
    custom_id,
    params: { model: world.model, max_tokens: 60, temperature: 0, messages: [{ role: "user", content }], ...params },
});

async function ended(id, of = client) {
    for (;;) {
        const batch = await of.messages.batches.retrieve(id);
        if (batch.processing_status === "ended") return batch;
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
}

async function resultsOf(id) {
    const results = {};
    for await (const { custom_id, result } of await client.messages.batches.results(id)) {
        assert.ok(!(custom_id in results), `${custom_id} comes once`);
        results[custom_id] = result;
    }
    return results;
}

test("batches: every request is answered once, in the words of a message", async () => {
    const created = await client.messages.batches.create({
        requests: [
            request("capital", world.capital),
            request("sum", world.sum),
            request("wrong-model", "Hello!", { model: "none" }),
            request("bad", "Hello!", { temperature: 9 }),
        ],
    });
    assert.match(created.id, /^msgbatch_/);
    assert.equal(created.type, "message_batch");
    assert.equal(created.processing_status, "in_progress");
    assert.deepEqual(created.request_counts, { processing: 4, succeeded: 0, errored: 0, canceled: 0, expired: 0 });
    assert.equal(created.results_url, null);
    assert.equal(new Date(created.expires_at) - new Date(created.created_at), 24 * 3600 * 1000);
    const batch = await ended(created.id);
    assert.deepEqual(batch.request_counts, { processing: 0, succeeded: 2, errored: 2, canceled: 0, expired: 0 });
    assert.ok(batch.ended_at);
    assert.equal(batch.results_url, `${world.url}/v1/messages/batches/${batch.id}/results`);
    const results = await resultsOf(batch.id);
    assert.deepEqual(Object.keys(results).sort(), ["bad", "capital", "sum", "wrong-model"]);
    assert.equal(results.capital.type, "succeeded");
    assert.equal(results.capital.message.content[0].text, world.capitalAnswer);
    assert.equal(results.capital.message.type, "message");
    assert.equal(results.sum.message.stop_reason, "end_turn");
    assert.equal(results["wrong-model"].type, "errored");
    assert.equal(results["wrong-model"].error.type, "error");
    assert.equal(results["wrong-model"].error.error.type, "not_found_error");
    assert.equal(results.bad.error.error.type, "invalid_request_error");
});

test("batches: a cancelled one keeps what it has", async () => {
    const story = { max_tokens: 400, ignore_eos: true };
    const requests = Array.from({ length: 200 }, (_, i) => request(`r${i}`, `Tell me a story about ${i}.`, story));
    const { id } = await client.messages.batches.create({ requests });
    await assert.rejects(client.messages.batches.results(id), /has no.*results|No batch/i);
    await assert.rejects(client.messages.batches.delete(id), Anthropic.BadRequestError);
    const canceling = await client.messages.batches.cancel(id);
    assert.ok(["canceling", "ended"].includes(canceling.processing_status));
    assert.ok(canceling.cancel_initiated_at);
    const { request_counts: counts } = await ended(id);
    assert.equal(counts.succeeded + counts.canceled, 200);
    assert.ok(counts.canceled > 0);
    const kinds = Object.values(await resultsOf(id)).map((result) => result.type);
    assert.equal(kinds.length, 200);
    assert.equal(kinds.filter((kind) => kind === "canceled").length, counts.canceled);
});

test("batches: lists come in pages, both ways, and hold nobody else's", async () => {
    const pager = clientOf("pager");
    const ids = [];
    for (let i = 0; i < 5; ++i) ids.unshift((await pager.messages.batches.create({ requests: [request("one", "Hello!")] })).id);
    const listed = [];
    for await (const batch of pager.messages.batches.list({ limit: 2 })) listed.push(batch.id);
    assert.deepEqual(listed, ids);
    const page = await pager.messages.batches.list({ limit: 2, before_id: ids[3] });
    assert.deepEqual(page.data.map((batch) => batch.id), ids.slice(1, 3));
    assert.equal(page.has_more, true);
    assert.equal(page.first_id, ids[1]);
    await assert.rejects(clientOf("stranger").messages.batches.retrieve(ids[0]), Anthropic.NotFoundError);
    assert.equal((await clientOf("stranger").messages.batches.list()).data.length, 0);
    // OpenAI's routes of the same key do not see them, nor their files.
    for (const path of ["/v1/batches", "/v1/files"]) {
        const answer = await fetch(world.url + path, { headers: { authorization: "Bearer pager" } });
        assert.deepEqual((await answer.json()).data, []);
    }
});

test("batches: one that has ended can be deleted", async () => {
    const { id } = await client.messages.batches.create({ requests: [request("one", "Hello!")] });
    await ended(id);
    assert.deepEqual(await client.messages.batches.delete(id), { id, type: "message_batch_deleted" });
    await assert.rejects(client.messages.batches.retrieve(id), Anthropic.NotFoundError);
    await assert.rejects(client.messages.batches.results(id), Anthropic.NotFoundError);
});

test("batches: bad ones are refused, and the field is named", async () => {
    const refused = (requests, field) => assert.rejects(client.messages.batches.create({ requests }), (error) => {
        assert.ok(error instanceof Anthropic.BadRequestError, String(error));
        assert.equal(error.error.error.type, "invalid_request_error");
        assert.ok(error.error.error.message.startsWith(`${field}: `), error.error.error.message);
        return true;
    });
    await refused([], "requests");
    await refused([request("a", "x"), request("a", "y")], "requests.1.custom_id");
    await refused([request("", "x")], "requests.0.custom_id");
    await refused([request("x".repeat(65), "x")], "requests.0.custom_id");
    await refused([{ custom_id: "a" }], "requests.0.params");
    await refused([request("a", "x", { stream: true })], "requests.0.params.stream");
});
