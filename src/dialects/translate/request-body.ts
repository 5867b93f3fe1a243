// The body of a translated request.
import { type Encodable, encodeJson, encodeWhole } from '../../bytes/json/encode.ts'
import { LargeBody, type SplicedBody } from '../../bytes/large-body.ts'

/** @param received the body whose values stand in the request. Parts of a large one are sent from where they are. */
export function encodeRequest(request: Encodable, received: Buffer | LargeBody): Buffer | SplicedBody {
  return received instanceof LargeBody ? { of: received, parts: encodeJson(request) } : encodeWhole(request)
}
