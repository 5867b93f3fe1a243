// The target is a plain path: `/v1/models?x=y`. Node passes on whatever stands in the request line, and each of the
// other forms means one thing to one program and something else to the next: a whole URL with a host of its own, a
// fragment, `//host`, `/\host`, bytes that are no characters.
import { GatewayError } from '../../errors.ts'
import type { Guard } from './guard.ts'

/** Visible ASCII but for `#` and `\`. */
const targetForm = /^\/[!-"$-[\]-~]*$/

export const targetGuard: Guard = ({ url = '' }) => {
  if (!targetForm.test(url)) {
    const what = 'The target must be a path of visible ASCII characters, without a host, "#" or "\\".'
    return new GatewayError('invalid_request', what)
  }
  const queryAt = url.indexOf('?')
  const slashesAt = url.indexOf('//')
  if (slashesAt < 0 || (queryAt >= 0 && slashesAt > queryAt)) return undefined
  const way = 'Take the slash from the end of the base URL.'
  return new GatewayError('invalid_request', `The path has "//" in it. ${way}`)
}
