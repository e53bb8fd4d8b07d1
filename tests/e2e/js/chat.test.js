// Tools, structured output and thinking through the official clients of the chat routes, unmodified.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Ollama } from "ollama";
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";
import * as world from "./world.js";

const { model } = world;
const ollama = new Ollama({ host: world.url });
const openai = new OpenAI({ baseURL: `${world.url}/v1`, apiKey: "unused", maxRetries: 0 });
const tools = [{ type: "function", function: { name: "get_weather", description: world.weatherDescription, parameters: world.weatherSchema } }];
const user = (content) => [{ role: "user", content }];

test("openai: a tool round trip, whole and streamed", async () => {
    const ask = { model, tools, temperature: 0, messages: user(world.weather) };
    const whole = await openai.chat.completions.create(ask);
    const streamed = await openai.chat.completions.stream(ask).finalChatCompletion();
    for (const { choices } of [whole, streamed]) {
        assert.equal(choices[0].finish_reason, "tool_calls");
        assert.equal(choices[0].message.tool_calls.length, 1);
        assert.deepEqual(JSON.parse(choices[0].message.tool_calls[0].function.arguments), { city: "Paris" });
    }
    const { message } = whole.choices[0];
    const result = { role: "tool", tool_call_id: message.tool_calls[0].id, content: JSON.stringify(world.weatherResult) };
    const answer = await openai.chat.completions.create({ ...ask, messages: [...ask.messages, message, result] });
    assert.equal(answer.choices[0].message.content, world.weatherAnswer);
});

test("openai: the helper that runs tools", async () => {
    const run = openai.chat.completions.runTools({
        model,
        temperature: 0,
        messages: user(world.weather),
        tools: [{ type: "function", function: { ...tools[0].function, parse: JSON.parse, function: () => world.weatherResult } }],
    });
    assert.equal(await run.finalContent(), world.weatherAnswer);
});

test("openai: the parse helper", async () => {
    const response_format = zodResponseFormat(z.object({ name: z.string(), age: z.number().int(), city: z.string() }), "person");
    const parsed = await openai.chat.completions.parse({ model, temperature: 0, messages: user(world.ana), response_format });
    assert.deepEqual(parsed.choices[0].message.parsed, world.anaObject);
});

test("openai: thinking", async () => {
    const answer = await openai.chat.completions.create({ model, temperature: 0, messages: user(world.sum), reasoning_effort: "low" });
    assert.equal(answer.choices[0].message.reasoning_content, world.sumThinking);
    assert.equal(answer.choices[0].message.content, world.sumAnswer);
    let thinking = "", content = "";
    for await (const { choices } of await openai.chat.completions.create({ model, temperature: 0, messages: user(world.sum), reasoning_effort: "low", stream: true })) {
        thinking += choices[0]?.delta?.reasoning_content ?? "";
        content += choices[0]?.delta?.content ?? "";
    }
    assert.deepEqual([thinking, content], [world.sumThinking, world.sumAnswer]);
});

test("ollama: a tool round trip, whole and streamed", async () => {
    const ask = { model, tools, think: false, options: { temperature: 0 }, messages: user(world.weather) };
    const { message } = await ollama.chat(ask);
    assert.deepEqual(message.tool_calls[0].function.arguments, { city: "Paris" });
    const calls = [];
    for await (const piece of await ollama.chat({ ...ask, stream: true })) calls.push(...(piece.message.tool_calls ?? []));
    assert.deepEqual(calls.map((call) => call.function.arguments), [{ city: "Paris" }]);
    const result = { role: "tool", tool_name: "get_weather", content: JSON.stringify(world.weatherResult) };
    const answer = await ollama.chat({ ...ask, messages: [...ask.messages, message, result] });
    assert.equal(answer.message.content, world.weatherAnswer);
});

test("ollama: structured output", async () => {
    const ask = { model, think: false, options: { temperature: 0 }, messages: user(world.ana) };
    for (const format of [world.personSchema, "json"])
        assert.deepEqual(JSON.parse((await ollama.chat({ ...ask, format })).message.content), world.anaObject);
    let streamed = "";
    for await (const piece of await ollama.chat({ ...ask, format: world.personSchema, stream: true })) streamed += piece.message.content;
    assert.deepEqual(JSON.parse(streamed), world.anaObject);
});

test("ollama: thinking", async () => {
    const answer = await ollama.chat({ model, think: true, options: { temperature: 0 }, messages: user(world.sum) });
    assert.equal(answer.message.thinking, world.sumThinking);
    assert.equal(answer.message.content, world.sumAnswer);
    let thinking = "", content = "";
    for await (const { message } of await ollama.chat({ model, think: true, options: { temperature: 0 }, messages: user(world.sum), stream: true })) {
        thinking += message.thinking ?? "";
        content += message.content;
    }
    assert.deepEqual([thinking, content], [world.sumThinking, world.sumAnswer]);
});
