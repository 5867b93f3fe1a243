"""Anthropic's and OpenAI's SDKs at models whose providers speak another format: each answer streamed and whole, a JSON line each."""

import json
import sys

import anthropic
import openai

base = sys.argv[1]
messages_client = anthropic.Anthropic(base_url=base, api_key="none", max_retries=0)
openai_client = openai.OpenAI(base_url=f"{base}/v1", api_key="none", max_retries=0)

schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
question = "What is the weather in Paris?"


def report(name, streamed, whole):
    print(json.dumps({"name": name, "streamed": streamed, "whole": whole}), flush=True)


def blocks(message):
    parts = [{k: v for k, v in block.model_dump().items() if k in ("type", "text", "name", "input")} for block in message.content]
    return {"content": parts, "stop": message.stop_reason, "output_tokens": message.usage.output_tokens}


def items(response):
    parts = []
    for item in response.output:
        text = "".join(part.text for part in item.content) if item.type == "message" else None
        parts.append({"type": item.type, "text": text, "name": getattr(item, "name", None), "arguments": getattr(item, "arguments", None)})
    return {"output": parts, "status": response.status, "output_tokens": response.usage.output_tokens}


def choice(completion):
    message = completion.choices[0].message
    calls = [(call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls or []]
    # The role chunk has an empty text before it is known what follows.
    return {"content": message.content or None, "calls": calls, "finish": completion.choices[0].finish_reason}


for model in ("text", "tool"):
    tools = [{"name": "get_weather", "description": "The weather.", "input_schema": schema}]
    ask = {"model": f"chat-{model}", "max_tokens": 100, "tools": tools, "messages": [{"role": "user", "content": question}]}
    with messages_client.messages.stream(**ask) as stream:
        streamed = stream.get_final_message()
    report(f"anthropic, {model}", blocks(streamed), blocks(messages_client.messages.create(**ask)))

    for provider in ("chat", "messages"):
        functions = [{"type": "function", "name": "get_weather", "parameters": schema, "strict": False}]
        ask = {"model": f"{provider}-{model}", "input": question, "tools": functions}
        with openai_client.responses.stream(**ask) as stream:
            for _ in stream:
                pass
            streamed = stream.get_final_response()
        report(f"openai, Responses at {provider}, {model}", items(streamed), items(openai_client.responses.create(**ask)))

    functions = [{"type": "function", "function": {"name": "get_weather", "parameters": schema}}]
    ask = {"model": f"messages-{model}", "messages": [{"role": "user", "content": question}], "tools": functions}
    with openai_client.chat.completions.stream(**ask) as stream:
        for _ in stream:
            pass
        streamed = stream.get_final_completion()
    report(f"openai, chat at messages, {model}", choice(streamed), choice(openai_client.chat.completions.create(**ask)))
