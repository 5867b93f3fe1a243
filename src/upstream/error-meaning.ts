// What an error response of a provider means beyond its status, by the codes and texts of the server that sent it.

/**
 * `billing`: the account has no money, and waiting does not help. `loading`: the model is being loaded, and the server
 * works once it is. `missing_model`: the server is fine but does not have the model. `missing_route`: nothing that speaks the
 * format answers at this path, so that the base URL is wrong or the server lacks the route. `unable`: the server is fine, and its
 * model cannot read something in the request.
 */
export type ErrorMeaning = 'billing' | 'loading' | 'missing_model' | 'missing_route' | 'unable'

/** What a kind of server writes into its errors. */
export interface ServerErrors {
  /** Codes of a 429 that waiting does not fix, in snake case. */
  readonly billingCodes?: readonly string[]
  /** In the body of a 400 that is about money, too. */
  readonly billingTexts?: readonly string[]
  /** Codes of a 404 for a model, verbatim. */
  readonly missingModelCodes?: readonly string[]
  /** In the body of a 404 or 405 for a path that it does not have. */
  readonly missingRouteTexts?: readonly string[]
  /** In the body of a 503 while a model is being loaded. */
  readonly loadingText?: string
  /** In the body of a 500 for an input that the model cannot read. */
  readonly unableTexts?: readonly string[]
}

/** An error response, read to its end. */
interface ErrorResponse {
  readonly status: number
  /** As the provider's dialect reads it. */
  readonly code: string | undefined
  readonly body: Buffer
}

/** Words in codes about money: `billing_not_active`, `insufficient_credits`, `InsufficientBalance`. */
const billingWords = /(?:^|[^a-z])(?:balance|billing|credits?|funds|payment)(?:$|[^a-z])/

/** What an error response means; undefined: no more than its status says. */
export type ErrorReader = (error: ErrorResponse) => ErrorMeaning | undefined

/** Reads the errors of a server that may be any of these. */
export function createErrorReader(servers: readonly ServerErrors[]): ErrorReader {
  const billingCodes = new Set(servers.flatMap((server) => server.billingCodes ?? []))
  const billingTexts = servers.flatMap((server) => server.billingTexts ?? [])
  const missingModelCodes = new Set(servers.flatMap((server) => server.missingModelCodes ?? []))
  const missingRouteTexts = servers.flatMap((server) => server.missingRouteTexts ?? [])
  const loadingTexts = servers.flatMap(({ loadingText }) => loadingText ?? [])
  const unableTexts = servers.flatMap((server) => server.unableTexts ?? [])
  const isBilling = (code: string) => {
    const words = code.replaceAll(/(?<=[a-z])(?=[A-Z])/g, '_').toLowerCase()
    return billingCodes.has(words) || billingWords.test(words)
  }
  return ({ status, code = '', body }) => {
    switch (status) {
      case 400:
        return billingTexts.some((text) => body.includes(text)) ? 'billing' : undefined
      case 402:
        return 'billing'
      case 404:
      case 405:
        if (missingRouteTexts.some((text) => body.includes(text))) return 'missing_route'
        if (status === 404 && (missingModelCodes.has(code) || body.includes('model'))) return 'missing_model'
        return isJson(body) ? undefined : 'missing_route'
      case 429:
        return isBilling(code) ? 'billing' : undefined
      case 500:
        return unableTexts.some((text) => body.includes(text)) ? 'unable' : undefined
      case 503:
      case 529:
        return loadingTexts.some((text) => body.includes(text)) ? 'loading' : undefined
      default:
        return undefined
    }
  }
}

/** Whether a body can be an API's error at all: an object or a list. */
function isJson(body: Buffer): boolean {
  const start = body.subarray(0, 64).toString('latin1').trimStart()
  return start.startsWith('{') || start.startsWith('[')
}
