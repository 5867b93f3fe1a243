// What programs ask of local servers: conversations, sub-agents, new prompts.

export interface Message {
  readonly role: 'system' | 'user' | 'assistant'
  readonly content: string
}

/** One call of a conversation. */
export interface Ask {
  readonly conversation: number
  readonly messages: readonly Message[]
  readonly outputTokens: number
}

interface World {
  /** @param then receives the answer. */
  ask(ask: Ask, then: (answer: string) => void): void
  after(delayMs: number, run: () => void): void
  /** One of the servers loses its caches, and begins nothing for a while. */
  restart(server: number, forMs: number): void
}

export interface Workload {
  readonly name: string
  readonly begin: (world: World) => void
}

const sentence = 'Be exact, say what you do not know, and keep to the files that were named. '
const agentSystem: Message = { role: 'system', content: `You are an agent. ${sentence.repeat(20)}` }
const workerSystem: Message = {
  role: 'system',
  content: `You are a helper of an agent. ${sentence.repeat(16)}`,
}

function question(conversation: number, turn: number, bytes = 320): Message {
  const text = `Part ${turn} of task ${conversation}: what follows from point ${turn * 7 + conversation}? `
  return { role: 'user', content: text.repeat(Math.ceil(bytes / text.length)).slice(0, bytes) }
}

/** Turns one after the other, with a pause before each. */
function converse(
  world: World,
  {
    conversation,
    system,
    turns,
    pauseMs,
    onEnd,
  }: {
    readonly conversation: number
    readonly system: Message
    readonly turns: number
    readonly pauseMs: number
    readonly onEnd?: () => void
  },
): void {
  let messages: readonly Message[] = [system]
  const turn = (number: number) => {
    if (number === turns) return onEnd?.()
    messages = [...messages, question(conversation, number)]
    world.ask({ conversation, messages, outputTokens: 24 + ((conversation + number) % 5) * 8 }, (content) => {
      messages = [...messages, { role: 'assistant', content }]
      world.after(pauseMs, () => turn(number + 1))
    })
  }
  turn(0)
}

const fourInParallel = (world: World) => {
  for (let conversation = 0; conversation < 4; conversation += 1) {
    world.after(conversation * 50, () =>
      converse(world, { conversation, system: agentSystem, turns: 10, pauseMs: 500 + conversation * 130 }),
    )
  }
}

export const workloads: readonly Workload[] = [
  {
    name: 'one conversation of ten turns',
    begin: (world) => converse(world, { conversation: 1, system: agentSystem, turns: 10, pauseMs: 500 }),
  },
  { name: 'four in parallel, one system prompt', begin: fourInParallel },
  {
    name: 'an agent with eight sub-agents',
    begin(world) {
      let messages: readonly Message[] = [agentSystem]
      const round = (number: number) => {
        if (number === 3) return
        messages = [...messages, question(0, number)]
        world.ask({ conversation: 0, messages, outputTokens: 48 }, (content) => {
          messages = [...messages, { role: 'assistant', content }]
          let open = 8
          const onEnd = () => {
            open -= 1
            if (open === 0) round(number + 1)
          }
          for (let helper = 1; helper <= 8; helper += 1) {
            const conversation = number * 8 + helper
            converse(world, { conversation, system: workerSystem, turns: 2, pauseMs: 200, onEnd })
          }
        })
      }
      round(0)
    },
  },
  {
    name: 'a new conversation per call',
    begin(world) {
      for (let line = 0; line < 2; line += 1) {
        const next = (number: number) => {
          if (number === 12) return
          const conversation = line * 12 + number
          const content = `Task ${conversation}. ${question(conversation, number, 1_400).content}`
          const ask = { conversation, messages: [{ role: 'user', content }] as const, outputTokens: 32 }
          world.ask(ask, () => world.after(300, () => next(number + 1)))
        }
        world.after(line * 700, () => next(0))
      }
    },
  },
  {
    name: 'one server restarted in the middle',
    begin(world) {
      fourInParallel(world)
      world.after(30_000, () => world.restart(0, 2_000))
    },
  },
]
