// The services of a checked configuration, as the starter needs them.
import type { Config } from '../config/types.ts'
import type { ServiceList } from '../systemd/starter/configured-services.ts'

export function serviceList({ providers, services }: Config): ServiceList {
  return {
    manager: services.manager,
    services: [...providers].flatMap(([name, provider]) => {
      if (!('service' in provider) || provider.service === undefined) return []
      const { unit, run } = provider.service
      return [{ service: name, unit, ...(run !== undefined && { run }) }]
    }),
  }
}
