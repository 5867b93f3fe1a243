// To a server that has the client's route: the identical bytes, unless they change the server and its provider does not allow that.
import type { ProviderDialect } from '../dialect.ts'
import { passTo } from '../pass.ts'
import type { Reshape, Translator } from '../translator.ts'
import { managementNotAllowed } from './management.ts'

/** @param provider a format of a model server's own. */
export function passToServer(provider: ProviderDialect, reshape?: Reshape): Translator {
  const pass = passTo(provider, reshape)
  return {
    ...pass,
    begin(request, target) {
      const { managing } = request
      if (managing === undefined || target.allowsManagement) return pass.begin(request, target)
      return managementNotAllowed(`The member ${JSON.stringify(managing)}`)
    },
  }
}
