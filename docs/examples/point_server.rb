# The server of point_server.py in Ruby (Debian: ruby-ffi-rzmq ruby-msgpack).
require "ffi-rzmq"
require "msgpack"

class Point
  def initialize
    @random, @t = Random.new, nil
  end

  def execute(m)
    case m["type"]
    when "reset" then reset(m["seeds"][0])
    when "step" then @t ? step(m["actions"]) : error("needs-reset", "reset it first")
    when "ping" then { "type" => "pong" }
    when "bye" then { "type" => "bye" }
    else error("bad-message", "no such request here")
    end
  end

  def reset(seed)
    @random = Random.new(seed) if seed
    @x, @v, @t = @random.rand(-1.0..1.0), 0.0, 0
    { "type" => "state", "obs" => [@x, @v].pack("E2") }
  end

  def step(actions)
    a = actions.unpack1(actions.bytesize == 8 ? "E" : "e")
    return error("bad-action", "not a finite number") unless a.finite?
    @v += 0.1 * a.clamp(-1.0, 1.0)
    @x += 0.1 * @v
    @t += 1
    ends, cut = @x.abs > 3, @t == 100
    @t = nil if ends || cut
    { "type" => "transition", "obs" => [@x, @v].pack("E2"), "reward" => [-@x * @x].pack("E"),
      "terminated" => [ends], "truncated" => [cut] }
  end

  def error(code, message)
    { "type" => "error", "code" => code, "message" => message, "fatal" => false }
  end
end

SPEC = { "type" => "spec", "name" => "Point-v0", "num_envs" => 1, "obs_dim" => 2, "act_dim" => 1,
         "obs_dtype" => "f8", "act_low" => [-1].pack("E"), "act_high" => [1].pack("E"),
         "max_episode_steps" => 100, "server" => "point_server.rb", "lease_s" => 60 }.freeze

socket = ZMQ::Context.new.socket(ZMQ::REP)
abort "cannot bind" if socket.bind(ARGV[0] || "tcp://127.0.0.1:5555") < 0
point, session, seq, reply, heard = Point.new, nil, 0, "", Time.at(0)
loop do
  request = +""
  socket.recv_string(request)
  m = MessagePack.unpack(request)
  head = { "v" => 1, "session" => m["session"], "seq" => m["seq"] }
  refuse = ->(code, text) { socket.send_string(point.error(code, text).merge(head).to_msgpack) }
  if m["session"] != session
    next refuse.call("unknown-session", "say hello") if m["type"] != "hello"
    next refuse.call("busy", "another client is here") if Time.now - heard < 60
    point, session, seq, reply = Point.new, m["session"], 0, SPEC.merge(head).to_msgpack
  elsif m["seq"] == seq + 1
    seq, reply = seq + 1, point.execute(m).merge(head).to_msgpack
  elsif m["seq"] != seq
    next refuse.call("bad-sequence", "#{m["seq"]} does not follow #{seq}")
  end
  heard = m["type"] == "bye" ? Time.at(0) : Time.now
  socket.send_string(reply)
end
