// The target is a plain path: `/v1/models?x=y`. Node passes on whatever the request line holds, and the other forms mean
// different things to different programs: a whole URL with a host of its own, a fragment, `//host`, `/\host`, bytes that
// are not characters. Only names of models may be percent-encoded: the router would take `/v1/ch%61t` for `/v1/chat`, and
// a proxy in front would not.
import { GatewayError } from '../../errors.ts'
import { mayNameModel, splitTarget } from '../paths.ts'
import { unknownUrl } from '../routes/not-found.ts'
import type { Guard } from './guard.ts'

/** Visible ASCII but for `#` and `\`. */
const targetForm = /^\/[!-"$-[\]-~]*$/

export const targetGuard: Guard = ({ method = '', url = '', headers: { host } }) => {
  if (!targetForm.test(url)) {
    const what = 'The target must be a path of visible ASCII characters, without a host, "#" or "\\".'
    return new GatewayError('invalid_request', what)
  }
  const [path] = splitTarget(url)
  if (path.includes('//')) {
    const hint = 'Remove the trailing slash from your base URL.'
    return new GatewayError('invalid_request', `The path contains "//". ${hint}`)
  }
  // The router refuses what cannot be decoded.
  const isOtherSpelling = path.includes('%') && !mayNameModel(path) && isDecodable(path)
  return isOtherSpelling ? unknownUrl({ method, path, host }) : undefined
}

function isDecodable(path: string): boolean {
  try {
    decodeURIComponent(path)
    return true
  } catch {
    return false
  }
}
