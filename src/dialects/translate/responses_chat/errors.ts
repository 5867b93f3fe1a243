// Errors of chat providers for clients of the Responses API: the envelope is the same, the codes that clients act on are few.
import type { ResponseHead } from '../../../domain.ts'
import { membersOf, parseJson } from '../../../bytes/json/parse.ts'
import { isContextOverflow, overflowCode } from '../../context-overflow.ts'
import type { ErrorFields } from '../../dialect.ts'
import { readErrorFields } from '../../openai/errors.ts'
import { openAiErrorType } from '../errors.ts'

/** An error in other words than an object with a message. */
const maxTextLength = 4_096

/** The error of a stream, with a code that Codex knows: it repeats a call for any other. */
export function withResponseCode(fields: ErrorFields, status: number): ErrorFields {
  const type = fields.type ?? openAiErrorType(status)
  return { ...fields, type, code: codeOf(fields, status) ?? (status < 500 ? type : 'server_error') }
}

/** The body of an error response. Its message stays word for word; a body that needs no change is returned as it is. */
export function translateErrorBody({ status }: ResponseHead, body: Buffer): Buffer {
  const fields = readErrorFields(body) ?? { message: textOf(body), type: null, param: null, code: null }
  const { message, type, param } = fields
  const isNamed = typeof fields.code === 'string' && !isContextOverflow(fields)
  const code = isNamed ? fields.code : (codeOf(fields, status) ?? null)
  const hasEnvelope = typeof membersOf(membersOf(parseJson(body))['error'])['message'] === 'string'
  if (hasEnvelope && code === fields.code) return body
  const error = { message, type: type ?? openAiErrorType(status), param, code }
  return Buffer.from(JSON.stringify({ error }))
}

function codeOf(fields: ErrorFields, status: number): string | undefined {
  const { type, code } = fields
  if (isContextOverflow(fields)) return overflowCode
  if (code === 'insufficient_quota' || type === 'insufficient_quota' || status === 402)
    return 'insufficient_quota'
  if (status === 429) return 'rate_limit_exceeded'
  return typeof code === 'string' ? code : undefined
}

/** FastAPI writes `detail`, some servers a message at the top; others write plain text. */
function textOf(body: Buffer): string {
  const { detail, message } = membersOf(parseJson(body))
  const text = [detail, message].find((each) => typeof each === 'string') ?? body.toString()
  return text.trim().slice(0, maxTextLength) || 'The provider reported an error without a message.'
}
