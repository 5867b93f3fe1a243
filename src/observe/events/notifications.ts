// Messages to the operator's services, by the names of the configuration: their URLs may be secrets.

export type NotificationEvent =
  | NotificationSent
  | NotificationFailed
  | NotificationSuppressed
  | HeartbeatFailed
  | AlertsNotSaved

interface NotificationSent {
  readonly kind: 'notification_sent'
  readonly sink: string
  /** In one message. */
  readonly notices: number
}

interface NotificationFailed {
  readonly kind: 'notification_failed'
  readonly sink: string
  readonly reason: string
  readonly retry_in_ms: number
}

/** Notices were given up: too many wait, or the service fails for too long. */
interface NotificationSuppressed {
  readonly kind: 'notification_suppressed'
  readonly sink: string
  readonly notices: number
  readonly reason: string
}

/** The URL of the heartbeat does not answer; emitted once until it does. */
interface HeartbeatFailed {
  readonly kind: 'heartbeat_failed'
  readonly reason: string
}

/** Which conditions hold could not be read or saved: a restart may report them again. */
interface AlertsNotSaved {
  readonly kind: 'alerts_not_saved'
  readonly cause: unknown
}
