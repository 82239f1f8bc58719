"""An independent client of the MCP server, for tests: the official Python SDK, told what to do line by line.

    mcp_client.py [--mode auto|legacy] [--elicit] [--header NAME=VALUE]… --url URL
    mcp_client.py [--mode auto|legacy] [--elicit] [--cwd FOLDER] -- COMMAND [ARGUMENT]…

Each line on standard input is an object with `do`: info, tools, call (name, arguments, answers), resources, templates, read (uri), prompts,
prompt (name, arguments), listen (seconds). For each there is one line on standard output: `result` or `error`, with the questions that were `asked`
meanwhile, and the `told` notifications. `answers` are what a person does with the questions, in order; whoever is asked more declines.
"""

import argparse
import asyncio
import json
import os
import sys

import anyio
from mcp import Client, MCPError, StdioServerParameters, types
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client


class Person:
    """Answers questions as the test says, and notes what was asked."""

    def __init__(self):
        self.answers, self.asked, self.told = [], [], []

    async def elicit(self, _context, params):
        self.asked.append(params.model_dump(mode="json", by_alias=True, exclude_none=True))
        answer = self.answers.pop(0) if self.answers else {"action": "decline"}
        return types.ElicitResult(**answer)

    async def hear(self, message):
        self.told.append(getattr(message, "method", type(message).__name__))


def plain(result):
    return result.model_dump(mode="json", by_alias=True, exclude_unset=True)


async def everything(fetch):
    """All pages of a list, as one."""
    first = await fetch(cursor=None)
    shown, cursor = plain(first), first.next_cursor
    lists = [key for key, value in shown.items() if isinstance(value, list)]
    while cursor:
        page = await fetch(cursor=cursor)
        more, cursor = plain(page), page.next_cursor
        for key in lists:
            shown[key].extend(more[key])
    return shown


CHANGED = "notifications/tools/list_changed"


async def listened(client, person, seconds):
    """Whether the list of tools is said to have changed within some seconds: to whoever listens, and, in older versions, to everybody."""
    with anyio.move_on_after(seconds):
        if client.protocol_version < "2026-07-28":
            while CHANGED not in person.told:
                await anyio.sleep(0.05)
            person.told.remove(CHANGED)
            return {"event": "ToolsListChanged"}
        async with client.listen(tools_list_changed=True) as subscription:
            async for event in subscription:
                return {"event": type(event).__name__}
    return {"event": None}


async def do(client, person, asked):
    what = asked["do"]
    if what == "info":
        return {
            "version": client.protocol_version,
            "server": plain(client.server_info) if client.server_info else None,
            "capabilities": plain(client.server_capabilities),
            "instructions": client.instructions,
        }
    if what == "tools":
        return await everything(client.list_tools)
    if what == "call":
        person.answers = list(asked.get("answers", []))
        # The SDK checks structured results against the tool's schema, and raises where they do not fit.
        return plain(await client.call_tool(asked["name"], asked.get("arguments")))
    if what == "resources":
        return await everything(client.list_resources)
    if what == "templates":
        return await everything(client.list_resource_templates)
    if what == "read":
        return plain(await client.read_resource(asked["uri"]))
    if what == "prompts":
        return await everything(client.list_prompts)
    if what == "prompt":
        return plain(await client.get_prompt(asked["name"], asked.get("arguments")))
    if what == "listen":
        return await listened(client, person, asked["seconds"])
    raise ValueError(f"nothing is known that is called {what!r}")


async def converse(server, arguments):
    person = Person()
    elicit = person.elicit if arguments.elicit else None
    async with Client(server, mode=arguments.mode, elicitation_callback=elicit, message_handler=person.hear, cache=None) as client:
        while line := await asyncio.to_thread(sys.stdin.readline):
            try:
                reply = {"result": await do(client, person, json.loads(line))}
            except MCPError as error:
                reply = {"error": error.error.model_dump(mode="json", exclude_none=True)}
            except Exception as error:  # The test reads it.
                reply = {"error": {"code": 0, "message": f"{type(error).__name__}: {error}"}}
            reply["asked"], person.asked = person.asked, []
            reply["told"], person.told = person.told, []
            print(json.dumps(reply), flush=True)


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", default="auto")
    parser.add_argument("--elicit", action="store_true")
    parser.add_argument("--header", action="append", default=[])
    parser.add_argument("--cwd")
    parser.add_argument("--url")
    parser.add_argument("command", nargs="*")
    arguments = parser.parse_args()
    if arguments.url:
        headers = dict(header.split("=", 1) for header in arguments.header)
        async with create_mcp_http_client(headers=headers) as http:
            await converse(streamable_http_client(arguments.url, http_client=http), arguments)
    else:
        command, *rest = arguments.command
        await converse(StdioServerParameters(command=command, args=rest, env=dict(os.environ), cwd=arguments.cwd), arguments)


if __name__ == "__main__":
    asyncio.run(main())
