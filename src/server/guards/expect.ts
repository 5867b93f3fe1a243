// `100-continue` is the only expectation that is defined (RFC 9110 §10.1.1).
import { GatewayError } from '../../errors.ts'
import type { Guard } from './guard.ts'

export const expectGuard: Guard = ({ headers: { expect } }) => {
  if (expect === undefined || expect.toLowerCase() === '100-continue') return undefined
  const message = `Unsupported Expect header ${JSON.stringify(expect.slice(0, 100))}; only 100-continue is accepted.`
  return new GatewayError('expectation_failed', message, { param: 'expect' })
}
