// Whether a request of a model server's own routes may go to the provider that its path names.
import { managementInBody, managementNotAllowed } from '../../dialects/management.ts'
import { bytesOf } from '../../dialects/request.ts'
import { GatewayError } from '../../errors.ts'
import type { Snapshot } from '../call.ts'
import type { NativeTarget, RestCall } from '../rest/request.ts'

/** The route itself was judged when the head had arrived; what is left is the body. */
export function judgeNative(
  { body: received, route }: Pick<RestCall, 'body' | 'route'>,
  { provider: name }: NativeTarget,
  on: Pick<Snapshot, 'providers'>,
): { readonly provider: string } | GatewayError {
  const provider = on.providers.get(name)
  const to = { provider: name }
  if (provider === undefined || provider.allowsManagement || route.isUpload === true) return to
  if (received === undefined || 'pieces' in received || bytesOf(received).length === 0) return to
  const found = managementInBody(received)
  if (found instanceof GatewayError) return found
  return found === undefined ? to : managementNotAllowed(`The member ${JSON.stringify(found)}`, name)
}
