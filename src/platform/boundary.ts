// How far calls may go: not off this machine, not off its private networks, or anywhere.

/** From the narrowest on. `local`: loopback addresses. `private`: those of private networks as well. */
export const boundaries = ['local', 'private', 'any'] as const

export type Boundary = (typeof boundaries)[number]

/** The narrower of both; undefined sets no boundary. */
export function narrower(one: Boundary | undefined, other: Boundary | undefined): Boundary {
  if (one === 'local' || other === 'local') return 'local'
  return one === 'private' || other === 'private' ? 'private' : 'any'
}

/** @param place the narrowest boundary that a server is in. */
export function isInside(place: Boundary, boundary: Boundary): boolean {
  return boundary === 'any' || place === 'local' || place === boundary
}

/**
 * Whether a server of this kind passes calls of a model on to a server elsewhere, as far as the name shows: Ollama does with its
 * cloud models (https://docs.ollama.com/cloud), and with copies of them, which may have any name.
 */
export function isPassedOn(kind: string, model: string): boolean {
  return kind === 'ollama' && /[:-]cloud$/i.test(model)
}

/** For `NamedServer.host`. */
export function passedOnFrom(host: string, model: string): string {
  return `${host}, ${passesModelOn(model)}`
}

/** A clause about the server. */
export function passesModelOn(model: string): string {
  return `which passes ${model} on`
}

/** A server as refusals name it. */
export interface NamedServer {
  /** Of the provider. */
  readonly name: string
  /** Its host: `api.openai.com`; and what leads there, or further. */
  readonly host: string
}

/**
 * Why a call would leave its boundary: `secret-notes → fallback gpt → openai (api.openai.com): leaves the box`.
 * @param steps from the model on.
 */
export function leavingChain(
  steps: readonly string[],
  { name, host }: NamedServer,
  boundary: Boundary,
): string {
  const left = boundary === 'local' ? 'the box' : 'the private network'
  return `${[...steps, `${name} (${host})`].join(' → ')}: leaves ${left}`
}
