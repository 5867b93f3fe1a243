// Users who may look at metrics or the status page, and may not call: they get these pages, and learn nothing else.
import { isObserver } from '../../clients/client.ts'
import { GatewayError } from '../../errors.ts'
import { isViewPath } from '../paths.ts'
import type { Guard } from './guard.ts'

export const observerGuard: Guard = ({ socket, method, url = '' }) => {
  if (!isObserver(socket)) return undefined
  const isLook = method === 'GET' || method === 'HEAD'
  if (isLook && (isViewPath(url) || url === '/')) return undefined
  const what = 'This Unix user may only look at what metrics.allowed_users and status.allowed_users show'
  return new GatewayError('user_not_allowed', `${what}; access.allowed_users lists those who may call.`)
}
