// Whether a server speaks a format, by its response to a request without content. It loads no model and generates nothing,
// because it names none. The status alone proves nothing: LM Studio answers unknown paths with status 200 and an error.
import { isObject, parseJson } from '../bytes/json/parse.ts'
import type { ResponseHead } from '../domain.ts'

/** Names no model, so that every server refuses it before it loads one. */
export const formatProbeBody = Buffer.from('{}')

/** What servers write about a path that they do not have, beside 404 and 405. */
const unknownPath =
  /unexpected endpoint|(?:unknown|invalid|no such|unsupported) (?:endpoint|method|path|request url|route|url)/i

/** What llama.cpp writes, with status 500, about a body of Messages without its members. */
const missingMember = /['"`](?:input|messages)['"`] is required/

/**
 * @param body of the response to a POST of `formatProbeBody` at the format's path.
 * @returns undefined if the response shows nothing about the path: the key was refused, the server is busy or broken.
 */
export function judgeFormatProbe(
  { status }: Pick<ResponseHead, 'status'>,
  body: Buffer,
): boolean | undefined {
  if (status === 404 || status === 405 || status === 501) return false
  const value = parseJson(body)
  if (!isObject(value)) return undefined
  const { error, detail, type, object } = value
  // Messages and Responses have one of these in a response; no error has.
  if (status < 300 && (type === 'message' || object === 'response')) return true
  const hasError = error !== undefined && error !== null
  if (!hasError && detail === undefined && type !== 'error') return undefined
  const text = body.toString()
  if (unknownPath.test(text)) return false
  if (status === 500 && missingMember.test(text)) return true
  return status === 400 || status === 413 || status === 422 ? true : undefined
}
