module imagejob.dev/localcluster/pause

go 1.26
