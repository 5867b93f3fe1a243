// What becomes of one try at one target.
import type { GatewayError } from '../errors.ts'
import type { ResponseHead } from '../domain.ts'
import type { ErrorMeaning } from '../upstream/providers/error-meaning.ts'
import type { Answer } from './answer.ts'

/** How a try at a target came out. */
export type AttemptOutcome =
  | { readonly kind: 'answered'; readonly answer: Answer }
  /** The provider's own error answer; it goes to the client as it is. */
  | {
      readonly kind: 'refused'
      readonly head: ResponseHead
      readonly body: Buffer
      readonly providerCode: string | undefined
      readonly meaning: ErrorMeaning | undefined
    }
  | {
      readonly kind: 'failed'
      readonly error: GatewayError
      readonly providerStatus?: number
      readonly providerCode?: string | undefined
      /** The connection was closed as soon as the request was on it: it had been idle, and nobody read the request. */
      readonly isStaleConnection: boolean
      /** A body that is no stream had begun to come: the provider has read the prompt. */
      readonly hasBegun: boolean
    }
  /** The client has left. */
  | { readonly kind: 'gone'; readonly wasSent: boolean }
