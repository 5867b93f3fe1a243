// `100-continue` is the one expectation that there is (RFC 9110 §10.1.1).
import { GatewayError } from '../../errors.ts'
import type { Guard } from './guard.ts'

export const expectGuard: Guard = ({ headers: { expect } }) => {
  if (expect === undefined || expect.toLowerCase() === '100-continue') return undefined
  const message = `The expectation ${JSON.stringify(expect.slice(0, 100))} is not supported; only 100-continue is.`
  return new GatewayError('expectation_failed', message, { param: 'expect' })
}
