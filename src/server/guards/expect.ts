// `100-continue` is the one expectation that there is (RFC 9110 §10.1.1).
import { GatewayError } from '../../errors.ts'
import type { Guard } from './guard.ts'

export const expectGuard: Guard = ({ headers: { expect } }) => {
  if (expect === undefined || expect.toLowerCase() === '100-continue') return undefined
  const message = `The expectation ${JSON.stringify(expect.slice(0, 100))} can't be met; only 100-continue can.`
  return new GatewayError('expectation_failed', message, { param: 'expect' })
}
