// What the tool-calling model answers, whatever the format.

export interface ToolCall {
  readonly name: string
  readonly arguments: Readonly<Record<string, unknown>>
}

/** What it counts in each response: by the number of the request, so that no two are the same. */
export function tokensOf(requestNumber: number): { readonly prompt: number; readonly completion: number } {
  return { prompt: 1_000 + requestNumber, completion: 10 + requestNumber }
}

export interface Request {
  readonly model: string
  readonly stream?: boolean
  readonly stream_options?: { readonly include_usage?: boolean }
  readonly messages?: unknown
  readonly input?: unknown
  readonly tools?: readonly OfferedTool[]
}

/** Of chat it has a function, of Responses a name. */
export interface OfferedTool {
  readonly name?: string
  readonly function?: { readonly name: string }
}

export interface Answering {
  readonly number: number
  readonly request: Request
  readonly answer: string | ToolCall
}

/** Two pieces, so that clients have to join them. */
export function halves(text: string): [string, string] {
  const middle = Math.ceil(text.length / 2)
  return [text.slice(0, middle), text.slice(middle)]
}
