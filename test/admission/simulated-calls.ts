// Calls of a simulated user of one model: conversations that grow, tools, code, languages, images, short questions of agents with
// a low cap; and what the model's tokenizer counts of each.
import type { RequestSize } from '../../src/domain.ts'
import type { Random } from '../support/random.ts'

export interface SimulatedCall {
  readonly size: RequestSize
  readonly promptTokens: number
  readonly completionTokens: number
}

/** Of one kind of text: tokens per byte, and how much single texts differ from that. */
interface Text {
  readonly rate: number
  readonly spread: number
}

interface Model {
  readonly texts: readonly Text[]
  readonly tools: Text
  /** Tokens of the template: of each call, and of each message. */
  readonly perCall: number
  readonly perMessage: number
  readonly perImage: number
  readonly meanAnswer: number
}

function someModel(random: Random): Model {
  const around = (rate: number) => rate * (0.85 + 0.3 * random.next())
  return {
    // Prose, code, Chinese.
    texts: [0.24, 0.29, 0.34].map((rate) => ({ rate: around(rate), spread: 0.1 })),
    tools: { rate: around(0.23), spread: 0.05 },
    perCall: random.below(30),
    perMessage: 3 + random.below(5),
    perImage: random.pick([256, 576, 1_100]),
    meanAnswer: random.pick([40, 150, 400, 900]),
  }
}

/** So many calls, of one conversation after the other. */
export function simulatedCalls(random: Random, count: number): SimulatedCall[] {
  const model = someModel(random)
  const calls: SimulatedCall[] = []
  while (calls.length < count) calls.push(...conversation(random, model))
  return calls.slice(0, count)
}

function conversation(random: Random, model: Model): SimulatedCall[] {
  const text = random.pick(model.texts)
  let [textBytes, tokens, messages, images] = [0, model.perCall, 0, 0]
  const add = (of: Text, bytes: number) => {
    textBytes += bytes
    tokens += bytes * of.rate * (1 + of.spread * (2 * random.next() - 1))
  }
  const [isAgent, seesImages] = [random.has(0.4), random.has(0.2)]
  if (isAgent) add(model.tools, 4_000 + random.below(16_000))
  add(text, random.below(isAgent ? 8_000 : 800))
  messages += 1
  const calls: SimulatedCall[] = []
  const turns = 1 + random.below(isAgent ? 20 : 8)
  for (let turn = 0; turn < turns; turn++) {
    add(text, random.has(0.2) ? random.below(12_000) : 20 + random.below(600))
    messages += 1
    if (seesImages && random.has(0.3)) images += 1
    const promptTokens = Math.round(tokens + messages * model.perMessage + images * model.perImage)
    const maxOutputTokens = random.pick([undefined, 32_000, isAgent ? 32_000 : 1_000])
    const completionTokens = Math.min(answer(random, model.meanAnswer), maxOutputTokens ?? Infinity)
    const size = { textBytes, mediaCount: images, messageCount: messages, maxOutputTokens, ...one }
    calls.push({ size, promptTokens, completionTokens })
    // An agent asks for a title of a few words, or whether a command is safe.
    if (isAgent && random.has(0.2)) {
      const short = { textBytes: 400, mediaCount: 0, messageCount: 2, maxOutputTokens: 20, ...one }
      const promptTokens = Math.round(400 * text.rate + model.perCall + 2 * model.perMessage)
      calls.push({ size: short, promptTokens, completionTokens: 3 + random.below(12) })
    }
    textBytes += completionTokens * 4
    tokens += completionTokens
    messages += 1
  }
  return calls
}

const one = { tokenIdCount: 0, promptCount: 1, choices: 1 }

/** Of exponential length: most are short, some several times the mean. */
function answer(random: Random, mean: number): number {
  return 1 + Math.floor(-mean * Math.log(1 - random.next()))
}
