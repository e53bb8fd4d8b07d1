// Anthropic's own JavaScript client, unmodified, against the server at WEFT_URL.
import assert from "node:assert/strict";
import { test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import * as world from "./world.js";

const { model } = world;
const client = new Anthropic({ baseURL: world.url, apiKey: "unused", maxRetries: 0 });
const question = { model, max_tokens: 200, temperature: 0, messages: [{ role: "user", content: "What is the capital of France?" }] };

test("anthropic: create", async () => {
    const message = await client.messages.create(question);
    assert.deepEqual(message.content.map((block) => block.type), ["text"]);
    assert.equal(message.content[0].text, "The capital of France is Paris.");
    assert.equal(message.stop_reason, "end_turn");
    assert.match(message.id, /^msg_/);
    assert.match(message._request_id, /^req_/);
});

test("anthropic: raw stream events have their order and add up to the answer", async () => {
    const events = [];
    let text = "";
    for await (const event of await client.messages.create({ ...question, stream: true })) {
        events.push(event.type);
        if (event.type === "content_block_delta") text += event.delta.text;
    }
    assert.equal(text, "The capital of France is Paris.");
    assert.deepEqual(events.slice(0, 2), ["message_start", "content_block_start"]);
    assert.deepEqual(events.slice(-3), ["content_block_stop", "message_delta", "message_stop"]);
});

test("anthropic: the stream helper", async () => {
    const stream = client.messages.stream(question);
    let text = "";
    stream.on("text", (delta) => (text += delta));
    const message = await stream.finalMessage();
    assert.equal(text, "The capital of France is Paris.");
    assert.equal(message.content[0].text, text);
    assert.equal(message.stop_reason, "end_turn");
    assert.ok(message.usage.output_tokens > 0);
});

test("anthropic: system prompts and content have two forms that mean the same", async () => {
    const system = "Start every answer with Arrr.";
    const content = "What is the capital of Italy?";
    const plain = await client.messages.create({ ...question, system, messages: [{ role: "user", content }] });
    const blocks = await client.messages.create({
        ...question,
        system: [{ type: "text", text: system, cache_control: { type: "ephemeral" } }],
        messages: [{ role: "user", content: [{ type: "text", text: content }] }],
    });
    assert.equal(plain.content[0].text, "Arrr! The capital of Italy is Rome.");
    assert.equal(blocks.content[0].text, plain.content[0].text);
    const length = ({ usage }) => usage.input_tokens + usage.cache_read_input_tokens;
    assert.equal(length(blocks), length(plain));
});

test("anthropic: thinking is a signed block, first, and is accepted back", async () => {
    const thinking = { type: "enabled", budget_tokens: 1024 };
    const ask = { ...question, max_tokens: 2000, thinking, messages: [{ role: "user", content: "What is 5 + 5?" }] };
    const message = await client.messages.create(ask);
    assert.deepEqual(message.content.map((block) => block.type), ["thinking", "text"]);
    assert.equal(message.content[0].thinking, "5 plus 5 makes 10.");
    assert.ok(message.content[0].signature.length > 0);
    assert.equal(message.content[1].text, "5 + 5 = 10.");
    assert.ok(message.usage.output_tokens_details.thinking_tokens > 0);
    const streamed = await client.messages.stream(ask).finalMessage();
    const bare = (content) => content.map(({ citations, ...block }) => block);
    assert.deepEqual(bare(streamed.content), bare(message.content));
    const again = await client.messages.create({
        ...ask,
        thinking: { type: "disabled" },
        messages: [...ask.messages, { role: "assistant", content: message.content }, { role: "user", content: "What is 3 + 4?" }],
    });
    assert.equal(again.content[0].text, "3 + 4 = 7.");
});

test("anthropic: a thinking budget closes the block", async () => {
    const message = await client.messages.create({
        ...question,
        max_tokens: 2000,
        thinking: { type: "enabled", budget_tokens: 2 },
        messages: [{ role: "user", content: "What is 5 + 5?" }],
    });
    assert.ok(message.usage.output_tokens_details.thinking_tokens <= 8);
    assert.equal(message.content.at(-1).type, "text");
});

const tools = [{ name: "get_weather", description: world.weatherDescription, input_schema: world.weatherSchema }];
const asksWeather = { ...question, tools, messages: [{ role: "user", content: world.weather }] };

test("anthropic: a tool round trip", async () => {
    const call = await client.messages.create(asksWeather);
    assert.equal(call.stop_reason, "tool_use");
    const use = call.content.at(-1);
    assert.equal(use.type, "tool_use");
    assert.match(use.id, /^toolu_/);
    assert.deepEqual(use.input, { city: "Paris" });
    const result = { type: "tool_result", tool_use_id: use.id, content: [{ type: "text", text: JSON.stringify(world.weatherResult) }] };
    const messages = [...asksWeather.messages, { role: "assistant", content: call.content }, { role: "user", content: [result] }];
    const answer = await client.messages.create({ ...asksWeather, messages });
    assert.equal(answer.content[0].text, world.weatherAnswer);
});

test("anthropic: the input of a tool is streamed as JSON", async () => {
    const stream = client.messages.stream(asksWeather);
    let json = "";
    stream.on("inputJson", (delta) => (json += delta));
    const message = await stream.finalMessage();
    assert.deepEqual(message.content.at(-1).input, { city: "Paris" });
    assert.deepEqual(JSON.parse(json), { city: "Paris" });
    assert.equal(message.stop_reason, "tool_use");
});

test("anthropic: the choice of a tool can be forced, forbidden, limited to one", async () => {
    const hello = { ...asksWeather, messages: [{ role: "user", content: "Hello!" }] };
    const free = await client.messages.create(hello);
    assert.equal(free.content[0].text, "Hello! How can I help you?");
    for (const tool_choice of [{ type: "any" }, { type: "tool", name: "get_weather" }]) {
        const forced = await client.messages.create({ ...hello, tool_choice });
        assert.equal(forced.content.at(-1).type, "tool_use");
        assert.equal(typeof forced.content.at(-1).input.city, "string");
    }
    const none = await client.messages.create({ ...asksWeather, tool_choice: { type: "none" } });
    assert.ok(none.content.every((block) => block.type === "text"));
    const two = { ...asksWeather, messages: [{ role: "user", content: "What is the weather in Rome and Oslo?" }] };
    const cities = (message) => message.content.filter((block) => block.type === "tool_use").map((block) => block.input.city);
    assert.deepEqual(cities(await client.messages.create(two)), ["Rome", "Oslo"]);
    const one = await client.messages.create({ ...two, tool_choice: { type: "auto", disable_parallel_tool_use: true } });
    assert.deepEqual(cities(one), ["Rome"]);
});

test("anthropic: an answer of a given form", async () => {
    const format = { type: "json_schema", schema: world.personSchema };
    const ask = { ...question, messages: [{ role: "user", content: world.ana }], output_config: { format } };
    const message = await client.messages.create(ask);
    assert.deepEqual(JSON.parse(message.content[0].text), world.anaObject);
});

test("anthropic: stop sequences and limits have their reasons", async () => {
    const counting = { ...question, messages: [{ role: "user", content: "Count to 10." }] };
    const stopped = await client.messages.create({ ...counting, stop_sequences: [", 7"] });
    assert.equal(stopped.stop_reason, "stop_sequence");
    assert.equal(stopped.stop_sequence, ", 7");
    assert.equal(stopped.content[0].text, "1, 2, 3, 4, 5, 6");
    const limited = await client.messages.create({ ...counting, max_tokens: 5 });
    assert.equal(limited.stop_reason, "max_tokens");
    assert.equal(limited.usage.output_tokens, 5);
    const nothing = await client.messages.create({ ...counting, max_tokens: 0 });
    assert.deepEqual(nothing.content, []);
    assert.equal(nothing.stop_reason, "max_tokens");
});

test("anthropic: tokens are counted as a message would report them, cached ones apart", async () => {
    const { max_tokens, temperature, ...counted } = question;
    const { input_tokens } = await client.messages.countTokens(counted);
    const length = ({ usage }) => usage.input_tokens + usage.cache_read_input_tokens;
    const first = await client.messages.create(question);
    const second = await client.messages.create(question);
    assert.equal(length(first), input_tokens);
    assert.equal(length(second), input_tokens);
    assert.ok(second.usage.cache_read_input_tokens > 0);
    assert.ok((await client.messages.countTokens({ ...counted, tools })).input_tokens > input_tokens);
});

test("anthropic: models, in this API's form", async () => {
    const ids = [];
    for await (const one of client.models.list()) ids.push(one.id);
    assert.deepEqual(ids, ["weft-demo:latest"]);
    const one = await client.models.retrieve(model);
    assert.equal(one.type, "model");
    assert.ok(!Number.isNaN(Date.parse(one.created_at)));
});

test("anthropic: errors become the client's classes", async () => {
    await assert.rejects(client.messages.create({ ...question, model: "nobody" }), Anthropic.NotFoundError);
    await assert.rejects(client.messages.create({ ...question, temperature: 9 }), Anthropic.BadRequestError);
    const long = { ...question, messages: [{ role: "user", content: "long ".repeat(20_000) }] };
    await assert.rejects(client.messages.create(long), /prompt is too long: \d+ tokens > \d+ maximum/);
    await assert.rejects(client.messages.stream(long).finalMessage(), /prompt is too long/);
});

test("anthropic: what only the hosted API offers never gets in the way", async () => {
    const message = await client.beta.messages.create({
        ...question,
        betas: ["context-1m-2025-08-07"],
        metadata: { user_id: "someone" },
        service_tier: "auto",
        tools: [{ type: "web_search_20250305", name: "web_search" }],
    });
    assert.equal(message.content[0].text, "The capital of France is Paris.");
});

test("anthropic: an aborted stream leaves the server as it was", async () => {
    const stream = client.messages.stream({ ...question, messages: [{ role: "user", content: "Tell me a story." }] });
    stream.on("text", () => stream.abort());
    await assert.rejects(stream.finalMessage(), Anthropic.APIUserAbortError);
    assert.equal((await client.messages.create(question)).stop_reason, "end_turn");
});
