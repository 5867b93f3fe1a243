// The services of a checked configuration, as the starter needs them.
import { servedProviders } from '../config/served-providers.ts'
import type { Config } from '../config/types.ts'
import type { ServiceList } from '../systemd/starter/configured-services.ts'

export function serviceList({ providers, services }: Config): ServiceList {
  return {
    manager: services.manager,
    services: servedProviders(providers).map(({ name, service: { unit, run } }) => {
      return { service: name, unit, ...(run !== undefined && { run }) }
    }),
  }
}
