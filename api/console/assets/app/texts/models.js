// The texts of the view Models.
export const t = {
  list: 'On this server', memory: (used, all) => `${used} of ${all} loaded`, model: 'Model', use: 'Used for', state: 'State', loaded: 'In memory', forecast: 'Forecast', size: 'Files',
  defaultFor: (tasks) => `default for ${tasks.join(', ').toLowerCase()}`,
  catalogue: (n) => `Catalogue of ${n} known models`, findModel: 'Find by name, task or language', weights: 'Weights', choose: 'Choose', chooseModel: (name) => `Choose ${name}`,
  one: (id) => `Model ${id}`, breaker: 'Breaker', health: 'Tasks', filesChanged: 'The files in its folder are not those that it was loaded from. Reload has them used.', notReloaded: (why) => `The latest files were not taken: ${why}`, changed: 'files changed', drained: (reason) => `drained${reason ? `: ${reason}` : ''}`,
  fields: { license: 'Licence', languages: 'Languages', precision: 'Precision', source: 'From', revision: 'Revision', architecture: 'Architecture' },
  load: 'Load', unload: 'Unload', origin: { embedded: 'embedded', folder: 'models folder' }, done: (id, action) => `${id}: ${action}ed`, aliases: 'Aliases', alias: 'Alias',
  service: { wav2vec2: 'speech to text', audioldm: 'text to audio', gama: 'questions about sounds', clap: 'vectors and labels of sounds' },
  aliasText: 'Further names of models, which requests can use. models.aliases in the settings defines them.',
  pull: 'Download a model', pullText: 'From the model hub: a repository whose graphs are ONNX, in one precision. A download that was interrupted goes on where it ended.', pullRun: 'Download',
  source: 'Repository, or a name of the catalogue', precision: 'Precision', name: 'Name', delete: 'Delete', sure: (id) => `Delete ${id}`, deleted: (id) => `${id} was deleted`,
  folder: 'A model folder in data/models/NAME is served as NAME without a restart.',
};
