// A provider's response with a status from 300 on: the client gets it as it is, or an error about the gateway's set-up.
import { readContextOverflow } from '../../dialects/context-overflow.ts'
import { GatewayError } from '../../errors.ts'
import { withoutCoding } from '../../http/content-coding.ts'
import { mediaTypeOf } from '../../http/headers.ts'
import type { ResponseHead } from '../../domain.ts'
import { maskBytes, maskBytesInTurns } from '../../upstream/mask.ts'
import type { Provider } from '../../upstream/provider.ts'
import { shownPath } from '../../upstream/request-target.ts'
import type { AnsweringResponse, AttemptFailure } from '../attempt-outcome.ts'

/** The longest error that compression may hide. */
const maxDecodedBytes = 1_048_576

/** Searched for keys in one piece; a longer one over several iterations of the event loop. */
const maxPieceBytes = 65_536

/** @param received its head, and its body, read to the end. */
export function judgeErrorResponse(
  provider: Provider,
  response: Pick<AnsweringResponse, 'dialect' | 'translation'>,
  { head, body: received }: { readonly head: ResponseHead; readonly body: Buffer },
): AttemptFailure | Promise<AttemptFailure> {
  const { 'content-encoding': coding, ...headers } = head.headers
  // A key is found only in what can be read. The gateway asked for no compression, so the client did not either.
  const uncoded = withoutCoding(received, coding, maxDecodedBytes)
  // Texts and JSON in UTF-8 have no zero byte, those in UTF-16 and UTF-32 do.
  const decoded = uncoded?.includes(0) === true ? undefined : uncoded
  const judge = (body: Buffer | undefined) => judgeMasked(provider, response, { ...head, headers }, body)
  if (decoded === undefined) return judge(undefined)
  if (decoded.length <= maxPieceBytes) return judge(maskBytes(decoded, provider.mask))
  return maskBytesInTurns(decoded, provider.mask).then(judge)
}

/** @param masked undefined: it cannot be read. */
function judgeMasked(
  provider: Provider,
  { dialect, translation }: Pick<AnsweringResponse, 'dialect' | 'translation'>,
  head: ResponseHead,
  masked: Buffer | undefined,
): AttemptFailure {
  const { status } = head
  const { name } = provider
  const body = masked ?? Buffer.alloc(0)
  const providerCode = dialect.readErrorCode(body)
  const fields = dialect.readErrorFields(body)
  const providerMessage = fields?.message
  const failed = (
    code: 'provider_auth_failed' | 'provider_bad_response' | 'unknown_url',
    what: string,
    { isRouteMissing = false, headers = faultOfSetUp }: FailureDetails = {},
  ): AttemptFailure => {
    const error = new GatewayError(code, `Provider "${name}" ${what}`, { headers })
    const facts = {
      providerStatus: status,
      providerCode,
      providerMessage,
      isStaleConnection: false,
      hasBegun: false,
    }
    return { kind: 'failed', error, ...facts, isRouteMissing }
  }
  if (status === 401 || status === 403) {
    const hint = `The gateway uses its own key, not the client's: check providers.${name}.api_key.`
    return failed('provider_auth_failed', `rejected the gateway's request (${status}). ${hint}`)
  }
  if (status < 400) {
    if (status === 304) {
      return failed('provider_bad_response', 'returned 304 (Not Modified), which no request has asked for.')
    }
    const hint = `The gateway follows no redirects, to protect the key: set providers.${name}.base_url to the final address.`
    return failed('provider_bad_response', `returned a redirect (${status}). ${hint}`)
  }
  // 407 is a proxy's.
  if (status > 599 || status === 407) {
    return failed(
      'provider_bad_response',
      `returned an unexpected status (${status}). Check providers.${name}.base_url.`,
    )
  }
  if (mediaTypeOf(head) === 'text/html') {
    return failed(
      'provider_bad_response',
      `returned an HTML page (${status}). Check providers.${name}.base_url.`,
      {
        isRouteMissing: status === 404 || status === 405,
        // A proxy in front of the provider writes one while the provider is down.
        headers: status < 500 ? faultOfSetUp : {},
      },
    )
  }
  if (masked === undefined) {
    return failed(
      'provider_bad_response',
      `returned ${status} with a body that cannot be read: a content or character coding that the gateway does not know.`,
      {
        headers: status < 500 && status !== 429 ? faultOfSetUp : {},
      },
    )
  }
  const meaning = provider.meaningOf({ status, code: providerCode, body })
  const isUnknownPath = (status === 404 || status === 405) && meaning !== 'missing_model'
  if (dialect.withoutRoute !== undefined && isUnknownPath) {
    const facts = { isRouteMissing: true }
    return failed(
      'unknown_url',
      `has no ${shownPath(dialect.path)} (${status}). ${dialect.withoutRoute}`,
      facts,
    )
  }
  if (meaning === 'missing_route' && dialect.isRouteOptional !== true) {
    const hint = `Check providers.${name}.base_url, which often ends in /v1; or the server lacks this route.`
    return failed(
      'provider_bad_response',
      `has no ${shownPath(dialect.path)} below its base URL (${status}). ${hint}`,
      {
        isRouteMissing: true,
      },
    )
  }
  return {
    kind: 'refused',
    head,
    body,
    providerCode,
    providerMessage,
    meaning,
    overflow: readContextOverflow(status, fields, body),
    translation,
  }
}

interface FailureDetails {
  /** The provider's other routes may well be served. */
  readonly isRouteMissing?: boolean
  /** Of the error for the client. */
  readonly headers?: Readonly<Record<string, string>>
}

/** Only its operator can mend the gateway's set-up: SDKs that repeat every 5xx are told not to. */
const faultOfSetUp = { 'x-should-retry': 'false' }
