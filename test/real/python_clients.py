"""Calls of a gateway by openai-python, LangChain and a bare socket: GATEWAY LLAMA_CPP calls|left|parallel COUNT.

Prints one JSON line per call: its request id, its way, the usage that its client saw, and by how much llama.cpp's own
counters rose meanwhile.
"""

import concurrent.futures
import itertools
import json
import re
import socket
import sys
import urllib.parse
import urllib.request

from langchain_openai import ChatOpenAI
from openai import OpenAI

gateway, llama_cpp, mode, count = sys.argv[1:]
MODEL = "gemma"
BASE_URL = f"{gateway}/v1"
client = OpenAI(base_url=BASE_URL, api_key="none", max_retries=0)


def messages(index):
    return [{"role": "user", "content": f"Count from {index} to {index + 3 * (index % 7)}, then stop."}]


def chat(index, request_id, **more):
    return client.chat.completions.create(
        model=MODEL,
        messages=messages(index),
        max_tokens=4 + index % 13,
        extra_headers={"x-request-id": request_id},
        **more,
    )


def of_chat(usage):
    return usage and {"prompt": usage.prompt_tokens, "completion": usage.completion_tokens}


def openai_whole(index, request_id):
    return of_chat(chat(index, request_id).usage)


def openai_stream(index, request_id):
    usage = None
    for chunk in chat(index, request_id, stream=True):
        usage = chunk.usage or usage
    assert usage is None, "usage that the client had not asked for"
    return None


def openai_stream_with_usage(index, request_id):
    usage = None
    for chunk in chat(index, request_id, stream=True, stream_options={"include_usage": True}):
        usage = chunk.usage or usage
    return of_chat(usage)


def openai_completion_stream(index, request_id):
    stream = client.completions.create(
        model=MODEL,
        prompt=f"Once upon a time, {index} foxes",
        max_tokens=4 + index % 13,
        stream=True,
        extra_headers={"x-request-id": request_id},
    )
    for _ in stream:
        pass
    return None


def openai_response(index, request_id):
    response = client.responses.create(
        model=MODEL,
        input=messages(index)[0]["content"],
        max_output_tokens=4 + index % 13,
        extra_headers={"x-request-id": request_id},
    )
    return {"prompt": response.usage.input_tokens, "completion": response.usage.output_tokens}


def openai_response_stream(index, request_id):
    usage = None
    stream = client.responses.create(
        model=MODEL,
        input=messages(index)[0]["content"],
        max_output_tokens=4 + index % 13,
        stream=True,
        extra_headers={"x-request-id": request_id},
    )
    for event in stream:
        if event.type in ("response.completed", "response.incomplete"):
            usage = event.response.usage
    return usage and {"prompt": usage.input_tokens, "completion": usage.output_tokens}


def langchain(index, request_id, **more):
    return ChatOpenAI(
        model=MODEL,
        base_url=BASE_URL,
        api_key="none",
        max_retries=0,
        max_tokens=4 + index % 13,
        default_headers={"x-request-id": request_id},
        **more,
    )


def of_langchain(usage):
    return usage and {"prompt": usage["input_tokens"], "completion": usage["output_tokens"]}


def langchain_whole(index, request_id):
    return of_langchain(langchain(index, request_id).invoke(messages(index)).usage_metadata)


def langchain_stream(index, request_id):
    for _ in langchain(index, request_id, stream_usage=False).stream(messages(index)):
        pass
    return None


def langchain_stream_with_usage(index, request_id):
    whole = None
    for chunk in langchain(index, request_id, stream_usage=True).stream(messages(index)):
        whole = chunk if whole is None else whole + chunk
    return of_langchain(whole.usage_metadata)


def closed_at_done(index, request_id):
    """Closes its connection in the moment in which the end mark has come, with the end of the body unread."""
    at = urllib.parse.urlsplit(gateway)
    body = json.dumps({"model": MODEL, "messages": messages(index), "max_tokens": 4 + index % 13, "stream": True})
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: {at.netloc}\r\ncontent-type: application/json\r\n"
        f"x-request-id: {request_id}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    received = b""
    with socket.create_connection((at.hostname, at.port)) as connection:
        connection.sendall((head + body).encode())
        while b"data: [DONE]" not in received:
            piece = connection.recv(65536)
            assert piece, f"ended before its end mark: {received!r}"
            received += piece
    return None


def left_half_way(index, request_id):
    with client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": f"Tell a very long story about {index} foxes and a lake."}],
        max_tokens=400,
        stream=True,
        extra_headers={"x-request-id": request_id},
        # Without it the model may end its text before its client leaves.
        extra_body={"ignore_eos": True},
    ) as stream:
        for _ in itertools.islice(stream, 3):
            pass
    return None


WAYS = [
    openai_whole,
    openai_stream,
    openai_stream_with_usage,
    openai_completion_stream,
    openai_response,
    openai_response_stream,
    langchain_whole,
    langchain_stream,
    langchain_stream_with_usage,
    closed_at_done,
]


def counters():
    """Tokens of prompts and of answers that llama.cpp has counted since its start."""
    with urllib.request.urlopen(f"{llama_cpp}/metrics") as response:
        text = response.read().decode()
    prompt, completion = (
        int(float(re.search(rf"^llamacpp:{name} (\S+)$", text, re.MULTILINE).group(1)))
        for name in ("prompt_tokens_total", "tokens_predicted_total")
    )
    return prompt, completion


def report(request_id, way, usage, before, after):
    counted = {"prompt": after[0] - before[0], "completion": after[1] - before[1]}
    line = {"id": request_id, "way": way.__name__, "usage": usage, "counted": counted}
    print(json.dumps(line), flush=True)


def run(index, way):
    request_id = f"{mode}-{index}"
    before = counters()
    usage = way(index, request_id)
    report(request_id, way, usage, before, counters())


if mode == "parallel":
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda index: run(index, WAYS[index % len(WAYS)]), range(int(count))))
else:
    for index in range(int(count)):
        finished = WAYS[index % len(WAYS)]
        run(index, left_half_way if mode == "left" and index % 2 == 0 else finished)
