// A body whose content-length is too large is refused before any of it is asked for or read. One of unknown length is
// counted while it arrives.
import { GatewayError } from '../../errors.ts'
import { findApiPath } from '../../dialects/openai/api-routes.ts'
import { maxUploadBytes, uploadTooLarge } from '../client-upload.ts'
import { splitTarget } from '../paths.ts'
import type { Guard } from './guard.ts'

/**
 * @param maxBytes `server.max_request_body_bytes`.
 * @param hasRest whether requests that are no model calls pass, which may be larger if they are not read here.
 */
export function bodySizeGuard(maxBytes: number, hasRest: () => boolean): Guard {
  return ({ method, headers, url = '' }) => {
    const length = Number(headers['content-length'] ?? 0)
    if (length <= maxBytes) return undefined
    if (length <= maxUploadBytes && isBlob(method, url)) return undefined
    const passes = findApiPath(pathBelowV1(url))?.routes.some((route) => route.method === method) === true
    if (!hasRest() || !passes) return bodyTooLarge(maxBytes)
    // Its route decides whether it is read.
    return length > maxUploadBytes ? uploadTooLarge() : undefined
  }
}

/** A file for Ollama, whose route decides whether it may pass. */
function isBlob(method: string | undefined, url: string): boolean {
  return method === 'POST' && /^\/providers\/[^/]+\/api\/blobs\/[^/?]+$/.test(url)
}

function pathBelowV1(target: string): string {
  return splitTarget(target)[0].replace(/^(?:\/v1)+(?=\/)/, '')
}

export function bodyTooLarge(maxBytes: number): GatewayError {
  const hint = 'server.max_request_body_bytes sets the limit.'
  return new GatewayError('request_too_large', `The body is larger than ${maxBytes} bytes. ${hint}`)
}
