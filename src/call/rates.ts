// How fast the provider of a stream was, in tokens per second.
import type { Metered } from './response/meter.ts'

export interface Rates {
  /** Of reading the prompt; what the provider had cached took no time. Undefined: not known. */
  readonly prompt: number | undefined
  /** Of writing the output, after its first token. */
  readonly output: number | undefined
}

/** When an attempt was sent, when its first token came, and when the call ended, in milliseconds of one clock. */
interface StreamTimes {
  readonly sentAtMs: number
  readonly firstTokenAtMs: number | undefined
  readonly endAtMs: number
}

/** Estimated counts have no rates. */
export function ratesOf(
  usage: Pick<Metered, 'promptTokens' | 'cachedTokens' | 'completionTokens' | 'isEstimated'> | undefined,
  { sentAtMs, firstTokenAtMs, endAtMs }: StreamTimes,
): Rates {
  if (usage === undefined || usage.isEstimated || firstTokenAtMs === undefined) return unknown
  const { promptTokens, cachedTokens = 0, completionTokens } = usage
  return {
    prompt: perSecond(promptTokens - cachedTokens, firstTokenAtMs - sentAtMs),
    output: perSecond(completionTokens - 1, endAtMs - firstTokenAtMs),
  }
}

const unknown: Rates = { prompt: undefined, output: undefined }

/** To a hundredth. */
function perSecond(tokens: number, ms: number): number | undefined {
  return tokens > 0 && ms > 0 ? Math.round((tokens / ms) * 100_000) / 100 : undefined
}
