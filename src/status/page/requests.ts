// What the page asks of the gateway besides its stream.
import { readJson } from './format.ts'

/** What a request came to: its value, or words for people. */
export type Answer =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly status: number; readonly message: string }

/** The names that clients may use, as `GET /v1/models` lists them; empty when it does not. */
export async function listModels(): Promise<string[]> {
  const answer = await request('/v1/models')
  if (!answer.ok) return []
  const { data } = answer.value as { readonly data?: readonly { readonly id: string }[] }
  return (data ?? []).map(({ id }) => id)
}

/** How JSON is posted. */
export function posted(body: unknown): RequestInit {
  return {
    method: 'POST',
    // A script of another origin cannot send the second one without asking first, which the gateway refuses.
    headers: { 'content-type': 'application/json', 'x-llm-gateway-page': '1' },
    body: JSON.stringify(body),
  }
}

export async function request(url: string, init?: RequestInit): Promise<Answer> {
  try {
    const response = await fetch(url, init)
    const text = await response.text()
    if (response.ok) return { ok: true, value: readJson(text) }
    return { ok: false, status: response.status, message: errorMessage(response.status, text) }
  } catch {
    return { ok: false, status: 0, message: 'The gateway does not answer.' }
  }
}

/** The message in the body of an error, as the gateway and providers write it, or the status. */
export function errorMessage(status: number, body: string): string {
  try {
    const { error } = readJson(body) as { readonly error?: { readonly message?: unknown } | string }
    const message = typeof error === 'string' ? error : error?.message
    if (typeof message === 'string') return message
  } catch {
    // Not JSON: the status has to do.
  }
  return `The gateway answered with status ${status}.`
}
