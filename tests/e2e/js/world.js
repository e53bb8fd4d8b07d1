// What the demo model knows (models/demo/questions.json), in the words of the tests.
export const url = process.env.WEFT_URL;
export const model = "weft-demo";

export const capital = "What is the capital of France?";
export const capitalAnswer = "The capital of France is Paris.";

export const sum = "What is 5 + 5?";
export const sumThinking = "5 plus 5 makes 10.";
export const sumAnswer = "5 + 5 = 10.";

export const weather = "What is the weather in Paris?";
export const weatherResult = { temperature: 21, sky: "sunny" };
export const weatherAnswer = "It is 21 degrees and sunny in Paris.";
export const weatherDescription = "Get the current weather of a city";
export const weatherSchema = {
    type: "object",
    properties: { city: { type: "string", description: "Name of the city" } },
    required: ["city"],
};

export const ana = "Give me a JSON object for Ana, who is 30 years old and lives in Rome.";
export const anaObject = { name: "Ana", age: 30, city: "Rome" };
export const personSchema = {
    type: "object",
    properties: { name: { type: "string" }, age: { type: "integer" }, city: { type: "string" } },
    required: ["name", "age", "city"],
    additionalProperties: false,
};
