// What the report says of its words and of the way that it was measured, in Markdown.
import { wholeAnswer } from './formats.ts'
import { chatBody, marker } from './wire.ts'

const plainBytes = {
  sent: Buffer.byteLength(chatBody('bench', { kind: 'plain' })),
  answered: Buffer.byteLength(wholeAnswer(marker)),
} as const

/** What the words of the report mean. */
export const terms: readonly string[] = [
  `- A **plain call** sends ${plainBytes.sent} bytes of JSON and gets ${plainBytes.answered} back, not streamed. A **streamed event** is one piece of an answer that is streamed (server-sent events).`,
  '- **Upstream** is the scripted model server behind every contender. It answers at once, so that the figures are of the gateway alone; `direct` is a call to it without one.',
  '- **Node** is a bare proxy in Node.js (node:http and undici): the floor for a gateway on that runtime. nginx, HAProxy and Caddy are set up as bare proxies, too: they forward, and know nothing of models, limits or usage.',
  '- **with keys**, **without ledger** and so on are llm-gateway with that feature on or off; **baseline** is an earlier build of it.',
  '- **Translated**: the client speaks Messages (Anthropic) or Responses (OpenAI), the upstream chat completions.',
]

export const method: readonly string[] = [
  '- Upstream, load generator and contender are separate processes on loopback. Every answer is checked (status, content, order of events, end of stream); wrong ones count as failed. Before anything is timed, a contender has to answer right: whole answers, streams event by event, messages forwarded unchanged, a body of 1 MB, a 404 passed on. Where it translates Messages or Responses, the upstream has to be told the same, and answer and stream have to be right in the client’s format.',
  '- Each round measures every contender, in random order; ratios are taken within a round.',
  '- CPU is user and system time of all processes and threads of a contender, from the scheduler’s counters (`schedstat`, nanoseconds). Where a thread has ended in between, it is the process’s total in `stat`, which has steps of 10 ms. Interrupts count for whichever process was running.',
  '- A contender is warmed up by 60,000 calls or 20 seconds of them, whichever is less. Right before CPU, latency and first events are measured it serves calls for another 1.5 s, before throughput for 0.8 s on the same connections. Figures by size of the body have no such second warm-up: they include what compilers and garbage collectors do when a process wakes up.',
  '- As a rule, a call costs less CPU where the contender never rests (8 connections) than at 500 calls/s or at one connection, where it waits between calls and wakes up for each.',
  '- Added latency and added delay are the median through the contender minus the median of `direct`; p99 is the whole time, with nothing subtracted. At 500 calls/s, calls are sent at that rate whatever the answers do: a contender that cannot keep up shows its queue. How late the load generator itself was is a row of its own.',
  '- Figures that begin with “one process” compare translated calls with calls that pass through, in the same llm-gateway process.',
  '- Events of different streams come at different moments, spread evenly; the timers of the upstream are accurate to a millisecond.',
  '- Calls come over connections that are kept. For a new one, llm-gateway looks up the Unix user in the kernel’s table of sockets, which takes longer the more sockets there are: the upstream, and streams that were held, end with a reset, which leaves none behind.',
  '- Memory idle is that after the second start, before any call. Memory is resident memory (RSS) of all processes of a contender, with shared pages counted for each; the kernel’s socket buffers are not in it, and no garbage collection is forced. Memory per open stream is what is added by opening them, divided by their number.',
  '- Throughput is that of a contender on one core, with load generator and upstream on the rest: one that comes near `direct` was not at its own limit.',
]
