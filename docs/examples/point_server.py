import math, random, struct, sys, time, msgpack, zmq
socket, pack = zmq.Context().socket(zmq.REP), msgpack.packb
socket.bind(sys.argv[1] if len(sys.argv) > 1 else "tcp://127.0.0.1:5555")
spec = dict(type="spec", name="Point-v0", num_envs=1, obs_dim=2, act_dim=1, obs_dtype="f8", max_episode_steps=100,
            act_low=struct.pack("<d", -1), act_high=struct.pack("<d", 1), server="point_server", lease_s=60)
session, seq, reply, heard, x, v, t = None, 0, b"", -math.inf, 0.0, 0.0, 100  # t is 100 where a reset is due
def error(code):
    return dict(type="error", code=code, message=f"{code}: see docs/bridge.md", fatal=False)
def execute(m):
    global x, v, t
    if m["type"] == "reset":
        random.seed(m["seeds"][0] if m["seeds"][0] is not None else random.random())
        x, v, t = random.uniform(-1, 1), 0.0, 0
        return dict(type="state", obs=struct.pack("<2d", x, v))
    if m["type"] != "step":
        return dict(type={"ping": "pong", "bye": "bye"}[m["type"]]) if m["type"] in ("ping", "bye") else error("bad-message")
    force = struct.unpack("<d" if len(m["actions"]) == 8 else "<f", m["actions"])[0]
    if t == 100 or not math.isfinite(force):
        return error("needs-reset" if t == 100 else "bad-action")
    v, x, t = v + 0.1 * max(-1, min(1, force)), x + 0.1 * v, t + 1
    return dict(type="transition", obs=struct.pack("<2d", x, v), reward=struct.pack("<d", -x * x), terminated=[False], truncated=[t == 100])
while True:
    m = msgpack.unpackb(socket.recv())
    hello, known, refusal, head = m["type"] == "hello", m["session"] == session, None, dict(v=1, session=m["session"], seq=m["seq"])
    if known and m["seq"] == seq + 1: seq, reply = seq + 1, pack({**execute(m), **head})
    elif hello and not known and time.monotonic() - heard > 60: session, seq, t, reply = m["session"], 0, 100, pack({**spec, **head})
    elif not known or m["seq"] != seq: refusal = error("bad-sequence" if known else "busy" if hello else "unknown-session")
    if not refusal: heard = -math.inf if m["type"] == "bye" else time.monotonic()
    socket.send(pack({**refusal, **head}) if refusal else reply)
