# Asks `millrace serve-policy RUN` for an action, with nothing but pyzmq and msgpack: policy_client.py [ENDPOINT]
import os, struct, sys, msgpack, zmq
session, seq = os.urandom(16), 0
socket = zmq.Context().socket(zmq.REQ)
socket.setsockopt(zmq.RCVTIMEO, 5000)
socket.setsockopt(zmq.LINGER, 0)
socket.connect(sys.argv[1] if len(sys.argv) > 1 else "tcp://127.0.0.1:5555")
def ask(kind, **fields):
    global seq
    socket.send(msgpack.packb(dict(v=1, type=kind, session=session, seq=seq, **fields)))
    reply, seq = msgpack.unpackb(socket.recv()), seq + 1
    if reply["type"] == "error":
        raise RuntimeError(f"{reply['message']} ({reply['code']})")
    return reply
policy = ask("hello", client="policy_client")
rows = [[0.0] * policy["obs_dim"], [0.1] * policy["obs_dim"]]  # what the robot sees; here two observations at once
obs = b"".join(struct.pack(f"<{policy['obs_dim']}d", *row) for row in rows)
reply = ask("act", n=len(rows), obs=obs, stochastic=False)
for action in struct.iter_unpack(f"<{policy['act_dim']}d", reply["actions"]):
    print(*action)
ask("bye")
