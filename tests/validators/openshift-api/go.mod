module engines/openshift-api

go 1.26

require github.com/openshift/api v0.0.0-20260709102940-580f1c1ba691
