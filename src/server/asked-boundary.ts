// What a request itself says that it may not leave. It narrows what the configuration sets, and widens nothing.
import type { IncomingHttpHeaders } from 'node:http'
import { GatewayError } from '../errors.ts'
import { boundaries, type Boundary } from '../platform/boundary.ts'

const boundaryHeader = 'x-llm-gateway-boundary'

/** Undefined: the request has no such header. One that is not understood is an error, because it may mean a narrower one. */
export function askedBoundary(headers: IncomingHttpHeaders): Boundary | undefined | GatewayError {
  const value = headers[boundaryHeader]
  if (value === undefined) return undefined
  const boundary = boundaries.find((each) => each === value)
  if (boundary !== undefined) return boundary
  const seen = JSON.stringify(String(value).slice(0, 60))
  const message = `The header ${boundaryHeader} must be local, private or any; this request has ${seen}.`
  return new GatewayError('invalid_request', message, { param: boundaryHeader })
}
