"""Sends requests to the server under test and prints each response."""

import asyncio
import sys

import websockets


async def main(url, count):
    async with websockets.connect(url) as socket:
        for i in range(1, count + 1):
            await socket.send(f"Message {i}")
            print(await socket.recv())


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
