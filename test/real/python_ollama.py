"""Ollama's Python library and LangChain's ChatOllama at models of the gateway: each answer streamed and whole, a JSON line each."""

import json
import sys

import ollama
from langchain_ollama import ChatOllama

base, kind = sys.argv[1:3]
client = ollama.Client(host=base)
question = "What is the weather in Paris?"
schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
tool = {"type": "function", "function": {"name": "get_weather", "description": "The weather.", "parameters": schema}}
options = {"num_predict": 12, "temperature": 0, "seed": 1}


def report(name, streamed, whole):
    print(json.dumps({"name": name, "streamed": streamed, "whole": whole}), flush=True)


def message_of(parts):
    calls = [(call.function.name, dict(call.function.arguments)) for part in parts for call in part.message.tool_calls or []]
    text = "".join(part.message.content or "" for part in parts)
    return {"text": text, "calls": calls, "done": parts[-1].done_reason}


def from_langchain(message):
    calls = [(call["name"], call["args"]) for call in message.tool_calls]
    return {"text": message.content, "calls": calls, "done": message.response_metadata["done_reason"]}


for model in sys.argv[3:]:
    messages = [{"role": "user", "content": question}]
    tools = [tool] if kind == "tools" else []
    ask = {"model": model, "messages": messages, "tools": tools, "options": options}
    report(f"ollama chat, {model}", message_of(list(client.chat(**ask, stream=True))), message_of([client.chat(**ask)]))

    prompt = {"model": model, "prompt": question, "options": options}
    parts = list(client.generate(**prompt, stream=True))
    streamed = {"text": "".join(part.response for part in parts), "done": parts[-1].done_reason}
    whole = client.generate(**prompt)
    if kind == "text":
        report(f"ollama generate, {model}", streamed, {"text": whole.response, "done": whole.done_reason})

    chat = ChatOllama(model=model, base_url=base, temperature=0, seed=1, num_predict=12)
    bound = chat.bind_tools([tool]) if kind == "tools" else chat
    chunks = None
    for chunk in bound.stream(question):
        chunks = chunk if chunks is None else chunks + chunk
    report(f"langchain, {model}", from_langchain(chunks), from_langchain(bound.invoke(question)))

names = [model.model for model in client.list().models]
shown = client.show(sys.argv[3])
report("lists", {"names": names, "capabilities": shown.capabilities}, {"loaded": len(client.ps().models)})
