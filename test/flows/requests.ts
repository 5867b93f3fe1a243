/** Every kind of path that there is; guards stand before all of them. */
export const requests: readonly [line: `${string} ${string}`, body?: string][] = [
  ['POST /v1/chat/completions', '{"model":"plain","messages":[]}'],
  ['GET /v1/models'],
  ['GET /healthz'],
  ['GET /readyz'],
  ['GET /nowhere'],
  ['DELETE /v1/models'],
  ['OPTIONS /v1/chat/completions'],
  ['OPTIONS *'],
]
