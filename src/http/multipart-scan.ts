// Finds the text parts of a multipart/form-data body. Not written yet: every body is refused.
import type { Span } from '../domain.ts'

export type MultipartOutcome =
  | { readonly ok: false; readonly problem: string; readonly param?: string }
  | { readonly ok: true; readonly scan: { readonly fields: ReadonlyMap<string, { readonly value: Span }> } }

export function scanMultipart(
  _body: Buffer,
  _boundary: string,
  _wanted: ReadonlySet<string>,
): MultipartOutcome {
  return { ok: false, problem: 'multipart bodies are not supported yet' }
}

export function readField(body: Buffer, field: { readonly value: Span }): string | undefined {
  return body.toString('utf8', field.value.start, field.value.end)
}
