"""Python's websockets."""

import asyncio
import random

import websockets


async def answer(socket, *_):
    async for request in socket:
        await socket.send(f"{request} {random.randint(1, 100)}")


async def main():
    async with websockets.serve(answer, "127.0.0.1", 0, compression=None) as server:
        port = server.sockets[0].getsockname()[1]
        print(f"http://127.0.0.1:{port}/", flush=True)
        await asyncio.Future()


asyncio.run(main())
