// Which audit log a command adds to.
import type { ServicePaths } from '../systemd/scope.ts'

export interface AuditPlace {
  readonly env: NodeJS.ProcessEnv
  readonly configFile: string
  /** Whether this configuration has the audit log. */
  readonly isAudited: boolean
  /** Of the service; absent: of this user's usual one. */
  readonly paths?: ServicePaths
}
