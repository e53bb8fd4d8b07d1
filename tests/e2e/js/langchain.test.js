// LangChain's clients for OpenAI's and Ollama's APIs, unmodified, against the server at WEFT_URL.
import assert from "node:assert/strict";
import { test } from "node:test";
import { HumanMessage, ToolMessage } from "@langchain/core/messages";
import { ChatOllama, OllamaEmbeddings } from "@langchain/ollama";
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import * as world from "./world.js";

const configuration = { baseURL: `${world.url}/v1` };
const openai = { model: world.model, apiKey: "unused", configuration, temperature: 0, maxRetries: 0 };
const ollama = { model: world.model, baseUrl: world.url, temperature: 0, maxRetries: 0 };
const get_weather = { type: "function", function: { name: "get_weather", description: world.weatherDescription, parameters: world.weatherSchema } };

const clients = {
    "openai, chat": { chat: new ChatOpenAI(openai), embeddings: new OpenAIEmbeddings({ ...openai, encodingFormat: "float" }) },
    "openai, responses": { chat: new ChatOpenAI({ ...openai, useResponsesApi: true }) },
    ollama: { chat: new ChatOllama({ ...ollama, think: false }), embeddings: new OllamaEmbeddings(ollama) },
};

for (const [name, { chat, embeddings }] of Object.entries(clients)) {
    test(`langchain, ${name}: text, whole and streamed`, async () => {
        assert.equal((await chat.invoke(world.capital)).text, world.capitalAnswer);
        let text = "";
        for await (const chunk of await chat.stream(world.capital)) text += chunk.text;
        assert.equal(text, world.capitalAnswer);
    });

    test(`langchain, ${name}: a tool round trip, whole and streamed`, async () => {
        const caller = chat.bindTools([get_weather]);
        const question = new HumanMessage(world.weather);
        const call = await caller.invoke([question]);
        assert.equal(call.tool_calls[0].name, "get_weather");
        assert.deepEqual(call.tool_calls[0].args, { city: "Paris" });
        const result = new ToolMessage({ content: JSON.stringify(world.weatherResult), tool_call_id: call.tool_calls[0].id, name: "get_weather" });
        assert.equal((await caller.invoke([question, call, result])).text, world.weatherAnswer);
        let streamed;
        for await (const chunk of await caller.stream([question])) streamed = streamed ? streamed.concat(chunk) : chunk;
        assert.deepEqual(streamed.tool_calls.map(({ name, args }) => ({ name, args })), [{ name: "get_weather", args: { city: "Paris" } }]);
    });

    test(`langchain, ${name}: structured output`, async () => {
        const structured = chat.withStructuredOutput(world.personSchema, { name: "person", method: "jsonSchema" });
        assert.deepEqual(await structured.invoke(world.ana), world.anaObject);
    });

    if (embeddings) {
        test(`langchain, ${name}: embeddings`, async () => {
            const vectors = await embeddings.embedDocuments(["Hello!", "A fox."]);
            assert.equal(vectors.length, 2);
            assert.ok(Math.abs(vectors[0].reduce((length, x) => length + x * x, 0) - 1) < 1e-3);
        });
    }
}

test("langchain, openai, responses: thinking", async () => {
    // Its own `reasoning` is sent for models of names that it knows.
    const modelKwargs = { reasoning: { effort: "low", summary: "auto" } };
    const answer = await new ChatOpenAI({ ...openai, useResponsesApi: true, modelKwargs }).invoke(world.sum);
    assert.equal(answer.additional_kwargs.reasoning.summary.map((part) => part.text).join(""), world.sumThinking);
    assert.equal(answer.text, world.sumAnswer);
});

test("langchain, ollama: thinking", async () => {
    const answer = await new ChatOllama({ ...ollama, think: true }).invoke(world.sum);
    assert.equal(answer.additional_kwargs.reasoning_content, world.sumThinking);
    assert.equal(answer.text, world.sumAnswer);
});
