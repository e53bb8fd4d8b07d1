// The responses part of OpenAI's own JavaScript client, unmodified, against the server at WEFT_URL. Its stream helper is
// strict: it throws at the first event that is out of order.
import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";
import * as world from "./world.js";

const { model } = world;
const client = new OpenAI({ baseURL: `${world.url}/v1`, apiKey: "unused", maxRetries: 0 });
const question = { model, input: world.capital, temperature: 0 };
const tools = [{ type: "function", name: "get_weather", description: world.weatherDescription, parameters: world.weatherSchema, strict: false }];

test("responses: create", async () => {
    const response = await client.responses.create(question);
    assert.equal(response.output_text, world.capitalAnswer);
    assert.equal(response.status, "completed");
    assert.match(response.id, /^resp_/);
    assert.equal(response.usage.total_tokens, response.usage.input_tokens + response.usage.output_tokens);
});

test("responses: the events of a stream are numbered without gaps and add up to the answer", async () => {
    let text = "";
    let number = 0;
    const types = [];
    for await (const event of await client.responses.create({ ...question, stream: true })) {
        assert.equal(event.sequence_number, number++);
        types.push(event.type);
        if (event.type === "response.output_text.delta") text += event.delta;
    }
    assert.equal(text, world.capitalAnswer);
    assert.deepEqual(types.slice(0, 4), ["response.created", "response.in_progress", "response.output_item.added", "response.content_part.added"]);
    assert.deepEqual(types.slice(-4), ["response.output_text.done", "response.content_part.done", "response.output_item.done", "response.completed"]);
});

test("responses: the stream helper", async () => {
    const final = await client.responses.stream(question).finalResponse();
    assert.equal(final.output_text, world.capitalAnswer);
});

test("responses: reasoning is an item of its own, first", async () => {
    const ask = { ...question, input: world.sum, reasoning: { effort: "low", summary: "auto" } };
    for (const response of [await client.responses.create(ask), await client.responses.stream(ask).finalResponse()]) {
        assert.deepEqual(response.output.map((item) => item.type), ["reasoning", "message"]);
        assert.equal(response.output[0].summary[0].text, world.sumThinking);
        assert.equal(response.output_text, world.sumAnswer);
        assert.ok(response.usage.output_tokens_details.reasoning_tokens > 0);
    }
});

test("responses: a chain of three by previous_response_id", async () => {
    const first = await client.responses.create({ ...question, input: "My name is Alice." });
    const second = await client.responses.create({ ...question, input: "What is 3 + 4?", previous_response_id: first.id });
    assert.equal(second.output_text, "3 + 4 = 7.");
    const third = await client.responses.create({ ...question, input: "What is my name?", previous_response_id: second.id });
    assert.equal(third.output_text, "Your name is Alice.");
    assert.equal(third.previous_response_id, second.id);
});

test("responses: stored ones can be read, listed and deleted, others cannot", async () => {
    const response = await client.responses.create({ ...question, input: [{ role: "user", content: world.capital }] });
    const read = await client.responses.retrieve(response.id);
    assert.equal(read.output_text ?? read.output[0].content[0].text, world.capitalAnswer);
    const items = [];
    for await (const item of client.responses.inputItems.list(response.id)) items.push(item);
    assert.equal(items.length, 1);
    assert.equal(items[0].role, "user");
    await assert.rejects(client.responses.cancel(response.id), OpenAI.BadRequestError);
    await client.responses.delete(response.id);
    await assert.rejects(client.responses.retrieve(response.id), OpenAI.NotFoundError);
    await assert.rejects(client.responses.create({ ...question, previous_response_id: response.id }), OpenAI.BadRequestError);
    const unstored = await client.responses.create({ ...question, store: false });
    await assert.rejects(client.responses.retrieve(unstored.id), OpenAI.NotFoundError);
});

test("responses: the limit makes a response incomplete", async () => {
    const response = await client.responses.create({ ...question, max_output_tokens: 3 });
    assert.equal(response.status, "incomplete");
    assert.equal(response.incomplete_details.reason, "max_output_tokens");
    assert.equal(response.usage.output_tokens, 3);
    const final = await client.responses.stream({ ...question, max_output_tokens: 3 }).finalResponse();
    assert.equal(final.status, "incomplete");
});

test("responses: input tokens are counted as a response reports them", async () => {
    const response = await client.responses.create(question);
    const counted = await client.responses.inputTokens.count({ model, input: world.capital });
    assert.equal(counted.input_tokens, response.usage.input_tokens);
});

test("responses: a tool round trip, by items and by previous_response_id", async () => {
    const ask = { ...question, input: [{ role: "user", content: world.weather }], tools };
    const response = await client.responses.create(ask);
    const call = response.output.at(-1);
    assert.equal(call.type, "function_call");
    assert.match(call.call_id, /^call_/);
    assert.deepEqual(JSON.parse(call.arguments), { city: "Paris" });
    const result = { type: "function_call_output", call_id: call.call_id, output: JSON.stringify(world.weatherResult) };
    const whole = await client.responses.create({ ...ask, input: [...ask.input, ...response.output, result] });
    assert.equal(whole.output_text, world.weatherAnswer);
    const chained = await client.responses.create({ ...ask, input: [result], previous_response_id: response.id });
    assert.equal(chained.output_text, world.weatherAnswer);
});

test("responses: a streamed call", async () => {
    const stream = client.responses.stream({ ...question, input: world.weather, tools });
    let json = "";
    stream.on("response.function_call_arguments.delta", (event) => (json += event.delta));
    const final = await stream.finalResponse();
    assert.deepEqual(JSON.parse(json), { city: "Paris" });
    assert.equal(final.output.at(-1).arguments, json);
});

test("responses: a call can be required or forbidden", async () => {
    const ask = { ...question, input: "Hello!", tools };
    assert.equal((await client.responses.create(ask)).output_text, "Hello! How can I help you?");
    for (const tool_choice of ["required", { type: "function", name: "get_weather" }]) {
        const { output } = await client.responses.create({ ...ask, tool_choice });
        assert.equal(output.at(-1).type, "function_call");
        assert.equal(typeof JSON.parse(output.at(-1).arguments).city, "string");
    }
    const none = await client.responses.create({ ...ask, input: world.weather, tool_choice: "none" });
    assert.ok(none.output.every((item) => item.type === "message"));
});

test("responses: the parse helper", async () => {
    const format = zodTextFormat(z.object({ name: z.string(), age: z.number().int(), city: z.string() }), "person");
    const parsed = await client.responses.parse({ ...question, input: world.ana, text: { format } });
    assert.deepEqual(parsed.output_parsed, world.anaObject);
});

test("responses: errors become the client's classes", async () => {
    await assert.rejects(client.responses.create({ ...question, model: "nobody" }), OpenAI.NotFoundError);
    await assert.rejects(client.responses.create({ ...question, input: "long ".repeat(20_000) }), { code: "context_length_exceeded", param: "input" });
    await assert.rejects(client.responses.create({ ...question, background: true }), { status: 400, param: "background" });
});
