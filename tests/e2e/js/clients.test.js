// The official JavaScript clients, unmodified, against the server at WEFT_URL.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Ollama } from "ollama";
import OpenAI from "openai";

const url = process.env.WEFT_URL;
const ollama = new Ollama({ host: url });
const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: "unused", maxRetries: 0 });
const model = "weft-demo";
const messages = [{ role: "user", content: "What is the capital of France?" }];
const options = { temperature: 0 };

test("ollama: list, show, ps", async () => {
    assert.equal((await ollama.list()).models[0].name, "weft-demo:latest");
    assert.ok((await ollama.show({ model })).capabilities.includes("completion"));
    await ollama.generate({ model, prompt: "Hello!", options: { num_predict: 2 } });
    assert.equal((await ollama.ps()).models[0].name, "weft-demo:latest");
});

test("ollama: generate and chat, whole and streamed", async () => {
    const story = { model, prompt: "Tell me a story.", think: false, options: { ...options, num_predict: 12 } };
    const whole = await ollama.generate(story);
    let streamed = "";
    for await (const piece of await ollama.generate({ ...story, stream: true })) streamed += piece.response;
    assert.equal(streamed, whole.response);
    const answer = await ollama.chat({ model, messages, think: false, options });
    assert.match(answer.message.content, /Paris/);
    streamed = "";
    for await (const piece of await ollama.chat({ model, messages, think: false, options, stream: true })) streamed += piece.message.content;
    assert.equal(streamed, answer.message.content);
});

test("ollama: embed", async () => {
    const { embeddings } = await ollama.embed({ model, input: ["Hello!", "A fox."] });
    assert.equal(embeddings.length, 2);
});

test("ollama: an aborted stream throws and the server goes on", async () => {
    const client = new Ollama({ host: url });
    const stream = await client.generate({ model, prompt: "Tell me a story.", think: false, stream: true, options });
    await assert.rejects(async () => {
        for await (const piece of stream) if (piece.response) client.abort();
    });
    assert.ok((await ollama.chat({ model, messages, options })).done);
});

test("ollama: an unknown model is an error with its text", async () => {
    await assert.rejects(ollama.chat({ model: "nobody", messages }), /not found/);
});

test("openai: models", async () => {
    const ids = [];
    for await (const one of openai.models.list()) ids.push(one.id);
    assert.deepEqual(ids, ["weft-demo:latest"]);
});

test("openai: chat, whole and streamed", async () => {
    const whole = await openai.chat.completions.create({ model, messages, temperature: 0 });
    assert.match(whole.choices[0].message.content, /Paris/);
    let streamed = "";
    const stream = await openai.chat.completions.create({ model, messages, temperature: 0, stream: true });
    for await (const chunk of stream) streamed += chunk.choices[0]?.delta?.content ?? "";
    assert.equal(streamed, whole.choices[0].message.content);
});

test("openai: the stream helper", async () => {
    const helper = openai.chat.completions.stream({ model, messages, temperature: 0, stream_options: { include_usage: true } });
    const final = await helper.finalChatCompletion();
    assert.match(final.choices[0].message.content, /Paris/);
    assert.equal(final.usage.total_tokens, final.usage.prompt_tokens + final.usage.completion_tokens);
});

test("openai: completions and embeddings", async () => {
    const answer = await openai.completions.create({ model, prompt: "Once upon a time", max_tokens: 5, n: 2 });
    assert.equal(answer.choices.length, 2);
    const { data } = await openai.embeddings.create({ model, input: ["Hello!", "A fox."] });
    assert.equal(data.length, 2);
    assert.ok(Math.abs(data[0].embedding.reduce((sum, x) => sum + x * x, 0) - 1) < 1e-3);
});

test("openai: errors become the client's classes", async () => {
    await assert.rejects(openai.chat.completions.create({ model: "nobody", messages }), OpenAI.NotFoundError);
    await assert.rejects(openai.chat.completions.create({ model, messages, temperature: 9 }), OpenAI.BadRequestError);
});
