// Vercel's AI SDK with each provider that can speak to this server, unmodified, against the server at WEFT_URL.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { embed, generateText, jsonSchema, Output, stepCountIs, streamText, tool } from "ai";
import { createOllama } from "ollama-ai-provider-v2";
import * as world from "./world.js";

const openai = createOpenAI({ baseURL: `${world.url}/v1`, apiKey: "unused" });
const compatible = createOpenAICompatible({ name: "weft", baseURL: `${world.url}/v1`, supportsStructuredOutputs: true });
const anthropic = createAnthropic({ baseURL: `${world.url}/v1`, apiKey: "unused" });
const ollama = createOllama({ baseURL: `${world.url}/api` });

const providers = {
    "openai, responses": { model: openai.responses(world.model), thinks: { openai: { reasoningEffort: "low", reasoningSummary: "auto", forceReasoning: true } } },
    "openai, chat": { model: openai.chat(world.model), embedding: openai.textEmbeddingModel(world.model) },
    "openai-compatible": { model: compatible(world.model), embedding: compatible.textEmbeddingModel(world.model), thinks: { weft: { reasoningEffort: "low" } } },
    anthropic: { model: anthropic(world.model), thinks: { anthropic: { thinking: { type: "enabled", budgetTokens: 1024 } } } },
    "ollama-ai-provider-v2": { model: ollama(world.model), embedding: ollama.textEmbeddingModel(world.model), thinks: { ollama: { think: true } }, usual: { ollama: { think: false } } },
};

for (const [name, { model, embedding, thinks, usual }] of Object.entries(providers)) {
    const settings = { model, temperature: 0, maxRetries: 0, maxOutputTokens: 500, providerOptions: usual };
    const tools = {
        get_weather: tool({ description: world.weatherDescription, inputSchema: jsonSchema(world.weatherSchema), execute: async () => world.weatherResult }),
    };

    test(`ai, ${name}: text, whole and streamed`, async () => {
        const whole = await generateText({ ...settings, prompt: world.capital });
        assert.equal(whole.text, world.capitalAnswer);
        assert.equal(whole.finishReason, "stop");
        assert.ok(whole.usage.inputTokens > 0 && whole.usage.outputTokens > 0);
        const stream = streamText({ ...settings, prompt: world.capital });
        let text = "";
        for await (const delta of stream.textStream) text += delta;
        assert.equal(text, world.capitalAnswer);
        assert.equal(await stream.finishReason, "stop");
    });

    test(`ai, ${name}: a tool round trip, whole and streamed`, async () => {
        const ask = { ...settings, tools, prompt: world.weather, stopWhen: stepCountIs(3) };
        const whole = await generateText(ask);
        assert.equal(whole.text, world.weatherAnswer);
        assert.deepEqual(whole.steps[0].toolCalls[0].input, { city: "Paris" });
        const stream = streamText(ask);
        await stream.consumeStream();
        assert.equal(await stream.text, world.weatherAnswer);
        assert.deepEqual((await stream.steps)[0].toolCalls[0].input, { city: "Paris" });
    });

    test(`ai, ${name}: structured output`, async () => {
        const { output } = await generateText({ ...settings, prompt: world.ana, output: Output.object({ schema: jsonSchema(world.personSchema) }) });
        assert.deepEqual(output, world.anaObject);
    });

    if (thinks) {
        test(`ai, ${name}: thinking, whole and streamed`, async () => {
            const ask = { ...settings, prompt: world.sum, providerOptions: thinks };
            const whole = await generateText(ask);
            assert.equal(whole.reasoningText?.trim(), world.sumThinking);
            assert.equal(whole.text, world.sumAnswer);
            const stream = streamText(ask);
            await stream.consumeStream();
            assert.equal((await stream.reasoningText)?.trim(), world.sumThinking);
            assert.equal(await stream.text, world.sumAnswer);
        });
    }

    if (embedding) {
        test(`ai, ${name}: embeddings`, async () => {
            const { embedding: vector } = await embed({ model: embedding, value: "A fox.", maxRetries: 0 });
            assert.ok(Math.abs(vector.reduce((length, x) => length + x * x, 0) - 1) < 1e-3);
        });
    }
}
