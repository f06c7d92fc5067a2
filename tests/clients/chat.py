"""Streams a chat completion with OpenAI's own client and prints each piece of text as a line of JSON."""

import json
import sys

import openai

client = openai.OpenAI(base_url=sys.argv[1], api_key="the caller's own", max_retries=0)
stream = client.chat.completions.create(
    model=sys.argv[2],
    messages=[{"role": "user", "content": "Count to five."}],
    stream=True,
    stream_options={"include_usage": True},
)
for chunk in stream:
    if chunk.choices and chunk.choices[0].delta.content:
        print(json.dumps(chunk.choices[0].delta.content), flush=True)
    if chunk.usage:
        print(json.dumps({"total": chunk.usage.total_tokens}), flush=True)
