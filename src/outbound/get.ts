// A text that a server has, such as a key set: one whole 200, or nothing.
import { exchange, type ExchangeLimits } from './exchange.ts'

export type GetOutcome =
  | {
      /** The body of a 200. */
      readonly text: string
      /** The server's clock when it answered, in milliseconds since 1970. Undefined: it did not report any. */
      readonly dateMs: number | undefined
    }
  /** Why there is none, in words that follow a colon. */
  | { readonly fault: string }

/** Never rejects. @param text an `http:` or `https:` URL. */
export async function get(text: string, limits: ExchangeLimits): Promise<GetOutcome> {
  const request = { method: 'GET', headers: { accept: 'application/json' } } as const
  const outcome = await exchange(new URL(text), request, limits, (status) =>
    status === 200 ? undefined : `status ${status}`,
  )
  if ('fault' in outcome) return { fault: outcome.fault }
  // Of a response that a cache has kept, the date is that of the original.
  const { date, age } = outcome.headers
  const dateMs = age === undefined ? Date.parse(String(date)) : NaN
  return { text: outcome.body.toString(), dateMs: Number.isNaN(dateMs) ? undefined : dateMs }
}
